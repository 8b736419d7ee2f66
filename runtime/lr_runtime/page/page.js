// The page on which a person tries a model. `main` starts it with descriptions of models and a function that gives the
// backend of one: {predict(rows), explain(row), invert(reading, at)}, of promises. Texts of a model become text nodes,
// never markup.

// Numbers as text

/** Return the fewest digits that give a number back as a float64, or as a float32 where it is one and `isSingle`. */
function shortest(value, isSingle) {
  if (!isSingle || Math.fround(value) !== value) return value;
  for (let count = 1; count < 9; count += 1) {
    const short = Number(value.toPrecision(count));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/** Return a number as people write it: 1013.25, −4.2e−9. */
function written(value, isSingle = false) {
  const number = shortest(value, isSingle), size = Math.abs(number);
  const plain = String(number), power = number.toExponential().replace("+", "");
  const isShorter = size !== 0 && (size < 1e-4 || size >= 1e9) && power.length < plain.length;
  return (isShorter || plain.includes("e") ? power : plain).replaceAll("-", "−");
}

/** Return a number in few digits, of which a title has all: six, or as many as tell parts of a span apart. */
function rough(value, span = 0, parts = 3) {
  const decimals = span > 0 && Number.isFinite(span) ? parts - Math.floor(Math.log10(span)) : -1;
  return written(Number(decimals >= 0 && decimals <= 30 ? value.toFixed(decimals) : value.toPrecision(6)));
}

/** Return a number from what was typed; throw an error that says what to type. */
function typed(text) {
  const plain = text.trim().replace("−", "-");
  if (plain === "") throw new Error("A number is needed here.");
  if (/^[-+]?\d+,\d+$/.test(plain)) throw new Error(`Write a decimal point: ${plain.replace(",", ".")}`);
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain)) throw new Error("Write a number, such as 20.5 or 1e-9.");
  const value = Number(plain);
  if (!Number.isFinite(value)) throw new Error("That is beyond the numbers that a computer holds.");
  if (/^[-+]?\d+$/.test(plain) && BigInt(plain.replace("+", "")) !== BigInt(value)) {
    throw new Error("A computer does not hold all digits of that. Write it with a decimal point if it is no identifier.");
  }
  return value;
}

/** Return the least of 1, 2 or 5 times a power of ten that is not below a positive number. */
function nice(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return Number(([1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10) * power.toPrecision(1));
}

/** Return round numbers, evenly spaced and at most `count` steps, that enclose low and high. */
function ticks(low, high, count) {
  const room = Math.max(high - low, Math.max(Math.abs(low), Math.abs(high)) * 1e-9, 1e-300);
  const step = nice(room / count), first = Math.floor(low / step + 1e-9);
  const steps = Math.max(1, Math.ceil(high / step - 1e-9) - first);
  return Array.from({ length: steps + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

const list = (words) => [words.slice(0, -1).join(", "), words.at(-1)].filter(Boolean).join(" and ");
const withUnit = (text, unit) => (unit ? `${text} ${unit}` : text);

// Columns: the values that a slider steps through, and instants, which the page holds in milliseconds since 1970

const TIME_STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400].map((each) => each * 1e3);
const SLIDER_STEPS = 250;
const FLOAT32_INTEGERS = 2 ** 24;

/** Return the milliseconds since 1970 of an instant that a clock counts. */
const fromClock = ({ since, seconds }, count) => 1e3 * (since + count * seconds);

/** Return the training range of a column, of instants in milliseconds; null where it has none. */
function rangeOf({ kind, minimum, maximum, time }) {
  if (kind === "category" || minimum === null || !(maximum > minimum) || !Number.isFinite(maximum - minimum)) return null;
  if (!time) return [minimum, maximum];
  return [[minimum, Math.ceil], [maximum, Math.floor]].map(([end, inward]) => {
    const at = fromClock(time, end);
    return Math.abs(at - Math.round(at)) < 0.01 ? Math.round(at) : inward(at);
  });
}

const isWide = ([low, high]) => low > 0 && high / low >= 1e4;

/** Return where a value lies between two others, 0 to 1, by its logarithm where these are far apart. */
function shareOf(value, ends) {
  const of = isWide(ends) ? Math.log : (each) => each;
  return (of(value) - of(ends[0])) / (of(ends[1]) - of(ends[0]));
}

/** Return the value at a share of the way between two others; see `shareOf`. */
function valueAt(share, [low, high]) {
  return isWide([low, high]) ? low * (high / low) ** share : low * (1 - share) + high * share;
}

/** Return what the model takes as it is: float32 holds not every large integer. */
const held = (value, isSingle) => (isSingle && Math.abs(value) >= FLOAT32_INTEGERS ? Math.fround(value) : value);

/** Return the values of a slider: the ends of the training range, and round numbers between them. */
function stopsOf(column, isSingle) {
  const ends = rangeOf(column);
  if (!ends) return [];
  const [low, high] = ends, stops = [low], least = (high - low) / SLIDER_STEPS;
  if (isWide(ends) && !column.time) {
    for (let k = 1; k < SLIDER_STEPS; k += 1) stops.push(Number(valueAt(k / SLIDER_STEPS, ends).toPrecision(3)));
  } else {
    const day = 864e5, timeStep = TIME_STEPS.find((each) => each >= least) ?? Math.ceil(least / day) * day;
    const isWhole = Number.isInteger(low) && Number.isInteger(high) && high - low >= 20;
    const finest = Math.max(isWhole ? 1 : 0, Math.max(Math.abs(low), Math.abs(high)) * 2 ** -50);
    const step = column.time ? timeStep : Math.max(nice(least), finest);
    for (let k = Math.floor(low / step) + 1; k * step < high; k += 1) stops.push(Number((k * step).toPrecision(15)));
  }
  const taken = [...stops, high].map((each) => (column.time ? each : held(each, isSingle)));
  return [...new Set(taken)].filter((each) => each >= low && each <= high);
}

const clockText = (at) => new Date(at).toISOString().replace(/(:00)?\.000Z$/, "").replace("Z", "").replace("T", " ");

// Elements

const $ = (id) => document.getElementById(id);

/** Return an element with properties, attributes (those with a hyphen, role, for) and children. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/-|^(role|for|list)$/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

function svg(tag, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

/** Return a number of the model as an element that keeps all its digits in `data-value`. */
function figure(value, text) {
  return el("span", { className: "figure", title: String(value), "data-value": String(value) }, text);
}

/** Show a sentence in an element, or hide it with none. */
function say(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
  $(id).hidden = !text;
}

/** Return a function that works on the newest argument alone, one at a time; `work` says whether it is to be repeated. */
function newest(work) {
  let waiting = null, isBusy = false;
  return async function take(argument) {
    waiting = [argument];
    if (isBusy) return;
    isBusy = true;
    while (waiting) {
      const [now] = waiting;
      waiting = null;
      const again = await work(now);
      if (again && !waiting) {
        await new Promise((done) => { setTimeout(done, 2000); });
        waiting ??= [now];
      }
    }
    isBusy = false;
  };
}

// A field for each column

/** Return the field of a column: its element, and what it is set to. `changed` is called after a person sets it. */
function fieldOf(column, place, isSingle, changed) {
  const id = `field-${place}`, ends = rangeOf(column), stops = stopsOf(column, isSingle);
  const isCategory = column.kind === "category", isTime = Boolean(column.time), mayMiss = column.missing !== "error";
  const middle = stops.slice(Math.floor(stops.length / 2)), whole = ends?.every(Number.isInteger) && middle.find(Number.isInteger);
  const start = isCategory ? column.categories[0] : whole || (middle[0] ?? column.minimum ?? 0);
  const field = { column, ends, stops, isTime, value: start, isMissing: false, fault: "" };
  const text = (value) => (isTime ? clockText(value) : written(value));
  const end = (value) => (isTime ? clockText(value).slice(0, 19) : rough(value, isWide(ends) ? 0 : ends[1] - ends[0]));
  const unit = isTime ? "UTC" : column.unit;

  const input = isCategory
    ? el("select", { id }, ...column.categories.map((each) => new Option(each, each)))
    : el("input", { id, type: isTime ? "datetime-local" : "text", spellcheck: false });
  if (isTime) input.step = 1;
  else if (!isCategory) input.inputMode = column.minimum >= 0 && column.minimum !== null ? "decimal" : "text";
  if (isCategory && mayMiss) input.append(new Option("missing", ""));
  const slider = el("input", { type: "range", min: 0, max: stops.length - 1, step: 1, "aria-label": `${column.name}, slider` });
  const missing = el("input", { type: "checkbox", id: `${id}-missing` });
  const [low, high] = (ends ?? []).map((each) => el("span", { "aria-hidden": "true", title: text(each) }, end(each)));
  const range = el("div", { className: "range quiet" });
  if (ends) range.append(low, el("span", { className: "unseen", id: `${id}-range` }, ""));
  if (mayMiss && !isCategory) range.append(el("label", { className: "missing" }, missing, " missing"));
  if (ends) range.append(high);
  const note = el("p", { className: "note", id: `${id}-note`, hidden: true });
  input.setAttribute("aria-describedby", `${id}-range ${id}-note`);

  const box = el("div", { className: "box" }, input, el("span", { className: "unit quiet" }, isCategory ? "" : unit ?? ""));
  field.element = el("div", { className: "field" }, el("label", { htmlFor: id }, column.name), box);
  field.element.classList.toggle("long", isTime || column.name.length > 18);
  if (stops.length > 1) field.element.append(slider);
  field.element.append(range, note);

  field.outside = () => Boolean(ends) && !field.isMissing && !field.fault && (field.value < ends[0] || field.value > ends[1]);
  field.cell = () => (field.isMissing ? null : isTime ? new Date(field.value).toISOString() : field.value);
  field.words = () => (field.isMissing ? "missing" : isCategory ? field.value : withUnit(text(field.value), unit));
  field.rangeWords = () => `${end(ends[0])} to ${withUnit(end(ends[1]), unit)}`;
  if (ends) range.children[1].textContent = `Training range ${field.rangeWords()}.`;

  /** Take a value, and show it everywhere but where a person is typing it. */
  field.set = (value, from = null) => {
    Object.assign(field, { value, fault: "", isMissing: from === missing ? missing.checked : value === null });
    if (from !== input) {
      if (isTime) input.value = new Date(value).toISOString().replace(/(\.000)?Z$/, "");
      else input.value = isCategory ? value ?? "" : written(value).replaceAll("−", "-");
    }
    field.show();
  };
  field.show = () => {
    const nearest = stops.findIndex((each) => each >= field.value);
    slider.value = nearest < 0 ? stops.length - 1 : nearest;
    slider.style.setProperty("--share", `${(100 * slider.value) / Math.max(1, stops.length - 1)}%`);
    slider.setAttribute("aria-valuetext", field.words());
    slider.disabled = field.isMissing;
    if (!isCategory) input.disabled = field.isMissing;
    missing.checked = field.isMissing;
    input.setAttribute("aria-invalid", String(Boolean(field.fault)));
    field.element.classList.toggle("outside", field.outside());
    say(note.id, field.fault || (field.outside() ? `Outside the training range, ${field.rangeWords()}` : ""));
  };
  input.addEventListener("input", () => {
    try {
      const value = isCategory ? input.value || null : isTime ? Date.parse(`${input.value}Z`) : typed(input.value);
      if (Number.isNaN(value)) throw new Error("Set a whole date and time.");
      field.set(value, input);
    } catch (error) {
      field.fault = error.message;
      field.show();
    }
    changed();
  });
  slider.addEventListener("input", () => { field.set(stops[slider.value], slider); changed(); });
  missing.addEventListener("change", () => { field.set(field.value, missing); changed(); });
  field.reset = () => field.set(start);
  return field;
}

// Drawings

/** Draw the scale of an instrument, with the interval as a band and the prediction as a needle. */
function drawGauge(host, marks, { y, lower, upper }) {
  const width = host.clientWidth, side = 8, [low, high] = [marks[0], marks.at(-1)];
  const x = (value) => side + ((width - 2 * side) * (value - low)) / (high - low);
  const picture = svg("svg", { width, height: 62, "aria-hidden": "true" });
  if (lower !== null || upper !== null) {
    const [from, to] = [x(Math.max(low, lower ?? low)), x(Math.min(high, upper ?? high))];
    picture.append(svg("rect", { class: "band", x: from, y: 8, width: Math.max(2, to - from), height: 24 }));
  }
  const each = Math.ceil((marks.length * 58) / width);
  for (let k = 0; k < 10 * (marks.length - 1) + 1; k += 1) {
    const at = x(low + ((high - low) * k) / (10 * (marks.length - 1)));
    const length = k % 10 === 0 ? 9 : k % 5 === 0 ? 6 : 4;
    picture.append(svg("line", { class: "tick", x1: at, x2: at, y1: 32, y2: 32 + length }));
    if (k % (10 * each) === 0) {
      const anchor = k === 0 ? "start" : k === 10 * (marks.length - 1) ? "end" : "middle";
      const place = { start: at - side, middle: at, end: at + side }[anchor];
      picture.append(svg("text", { x: place, y: 57, "text-anchor": anchor }, written(marks[k / 10])));
    }
  }
  picture.append(svg("line", { class: "axis", x1: side, x2: width - side, y1: 32, y2: 32 }));
  const at = x(y);
  picture.append(svg("path", { class: "needle", d: `M${at - 5} 0h10l-3.5 7v27h-3v-27z` }));
  host.replaceChildren(picture);
}

/** Return an SVG path through points, of which some may be left out as null. */
const path = (points) => points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** Return numbers to write along the horizontal axis, and their texts. */
function labelsOf(field, ends, width) {
  if (field.isTime) return [0, 0.5, 1].map((share) => [valueAt(share, ends), clockText(valueAt(share, ends)).slice(0, 16)]);
  if (isWide(ends)) {
    const [first, last] = [Math.ceil(Math.log10(ends[0])), Math.floor(Math.log10(ends[1]))];
    const step = Math.ceil(((last - first + 1) * 60) / width);
    return Array.from({ length: last - first + 1 }, (_, k) => 10 ** (first + k))
      .filter((_, k) => k % step === 0).map((each) => [each, written(Number(each.toPrecision(1)))]);
  }
  const inside = ticks(ends[0], ends[1], Math.max(2, Math.floor(width / 50)));
  return inside.filter((each) => each >= ends[0] && each <= ends[1]).map((each) => [each, written(each)]);
}

/** Draw the prediction against one column: the curve, its band, where the training range ends, and the present row. */
function drawCurve(host, field, ends, points, now, unit) {
  const width = host.clientWidth, height = Math.round(Math.min(340, Math.max(210, width * 0.5)));
  const values = [...points, ...(now ? [now] : [])].flatMap((each) => [each.y, each.lower ?? each.y, each.upper ?? each.y]);
  const marks = ticks(Math.min(...values), Math.max(...values), 9), step = marks[1] - marks[0];
  const labelled = marks.filter((each) => marks.length < 7 || Math.round(each / step) % 2 === 0);
  const left = 14 + 7.2 * Math.max(...labelled.map((each) => written(each).length)), right = 16, top = 26, foot = 28;
  const x = (value) => left + (width - left - right) * shareOf(value, ends);
  const y = (value) => top + ((height - top - foot) * (marks.at(-1) - value)) / (marks.at(-1) - marks[0]);
  const picture = svg("svg", { width, height, "aria-hidden": "true" });
  for (const mark of labelled) {
    picture.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(mark), y2: y(mark) }));
    picture.append(svg("text", { x: left - 8, y: y(mark) + 4, "text-anchor": "end" }, written(mark)));
  }
  for (const [mark, text] of labelsOf(field, ends, width - left - right)) {
    const anchor = x(mark) > width - 50 ? "end" : field.isTime && x(mark) < left + 50 ? "start" : "middle";
    picture.append(svg("line", { class: "tick", x1: x(mark), x2: x(mark), y1: height - foot, y2: height - foot + 5 }));
    picture.append(svg("text", { x: x(mark), y: height - 8, "text-anchor": anchor }, text));
  }
  if (unit) picture.append(svg("text", { x: 2, y: 12 }, unit));
  if (points.every((each) => each.lower !== null && each.upper !== null) && points[0].lower !== undefined) {
    const edge = [...points.map((each) => [x(each.x), y(each.upper)]), ...points.map((each) => [x(each.x), y(each.lower)]).reverse()];
    picture.append(svg("path", { class: "band", d: `${path(edge)}Z` }));
  }
  picture.append(svg("path", { class: "curve", d: path(points.map((each) => [x(each.x), y(each.y)])) }));
  for (const [from, to] of [[ends[0], field.ends[0]], [field.ends[1], ends[1]]]) {
    const size = { x: x(from), y: top, width: Math.max(0, x(to) - x(from)), height: height - top - foot };
    if (from < to) picture.append(svg("rect", { class: "beyond", ...size }));
  }
  if (now) {
    picture.append(svg("line", { class: "plumb", x1: x(now.x), x2: x(now.x), y1: top, y2: height - foot }));
    picture.append(svg("circle", { class: "point", cx: x(now.x), cy: y(now.y), r: 5.5 }));
  }
  host.replaceChildren(picture);
  host.valueAt = (at) => valueAt(Math.min(1, Math.max(0, (at - left) / (width - left - right))), ends);
}

/** Fill the table of what each term adds, a bar in each row; all bars have one scale, and the intercept's may break off. */
function fillTerms(table, { intercept, shares, total, fitted }, unit) {
  const rows = [["intercept", intercept], ...shares.map((each) => [each.term, each.contribution])];
  const most = Math.max(...shares.map((each) => Math.abs(each.contribution)), Number.MIN_VALUE);
  const shown = rows.map(([, value]) => value).filter((value, k) => k > 0 || Math.abs(value) <= 3 * most);
  const [low, high] = [Math.min(0, ...shown), Math.max(0, ...shown)], span = high - low || 1;
  const size = Math.max(...rows.map(([, value]) => Math.abs(value)), Math.abs(total));
  const decimals = size > 1e-4 && size < 1e9 ? Math.max(0, Math.min(12, 5 - Math.floor(Math.log10(size)))) : null;
  const said = (value) => figure(value, decimals === null ? rough(value) : value.toFixed(decimals).replace("-", "−"));
  const row = ([name, value]) => {
    const bar = el("span", { className: value < 0 ? "bar less" : "bar", "aria-hidden": "true" });
    const [from, to] = [Math.max(low, Math.min(0, value)), Math.min(high, Math.max(0, value))];
    bar.classList.toggle("broken", value < low || value > high);
    bar.style.left = `${(100 * (from - low)) / span}%`;
    bar.style.width = `${(100 * (to - from)) / span}%`;
    const track = el("span", { className: "track", "aria-hidden": "true" }, bar);
    track.style.setProperty("--zero", `${(-100 * low) / span}%`);
    const head = el("th", { scope: "row" }, el("span", { className: "term" }, name), track);
    return el("tr", { className: value ? "" : "none" }, head, el("td", {}, said(value)));
  };
  const head = el("tr", {}, el("th", { scope: "col" }, "Term"), el("th", { scope: "col" }, unit ? `Adds, ${unit}` : "Adds"));
  const sum = el("tr", {}, el("th", { scope: "row" }, `Sum: ${fitted}`), el("td", {}, said(total)));
  table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows.map(row)), el("tfoot", {}, sum));
}

// The instrument

/** Show one model: fields, readings, and all that follows from them. */
function instrument(description, backend) {
  const { columns, outputs, input_dtype: dtype, precision, inverse } = description;
  const isSingle = precision !== "float64", level = description.interval_level;
  const levelWords = level === null ? "" : `${written(Number((100 * level).toPrecision(12)))} %`;
  const fields = columns.map((column, place) => fieldOf(column, place, dtype === "float32", () => changed()));
  const numeric = fields.filter((field) => field.ends);
  const backTo = fields.filter((field) => description.invertible.includes(field.column.name));
  const shown = outputs.map(() => null), seen = outputs.map(() => [Infinity, -Infinity]);
  let curvePoints = [], curveOf = "";

  const rowWith = (...others) => {
    const row = Object.fromEntries(fields.map((field) => [field.column.name, field.cell()]));
    for (const [field, value] of others) row[field.column.name] = field.isTime ? new Date(value).toISOString() : value;
    return row;
  };
  const isWhole = () => fields.every((field) => !field.fault);
  const output = () => Number($("of").value || 0);
  const against = () => numeric[$("against").value || 0];
  const resultOf = (answer, name) => ({ y: answer[name], lower: answer[`${name}_lower`], upper: answer[`${name}_upper`] });
  const number = (value) => figure(value, written(value, isSingle));

  /** Ask the backend; say what it refuses, and whether it is to be asked again because it does not answer. */
  const asking = (place, ask, otherwise) => newest(async (argument) => {
    try {
      await ask(argument);
      say("gone", "");
      $("instrument").classList.remove("stale");
      return false;
    } catch (error) {
      if (error.isGone) {
        say("gone", `${error.message} What is shown is the last that it said. Trying again.`);
        $("instrument").classList.add("stale");
      } else otherwise(error.message.replace(/^row \d+: /, ""));
      return Boolean(error.isGone);
    }
  });

  // The readings

  const readings = outputs.map((each) => {
    const value = el("p", { className: "value" }), interval = el("p", { className: "interval" });
    const gauge = el("div", { className: "gauge" });
    const name = el("h2", {}, each.name);
    $("readout").append(el("article", { className: "reading" }, name, value, interval, gauge));
    return { value, interval, gauge };
  });

  /** Write a prediction; digits that the spread of the model makes meaningless are grey. */
  const writeValue = (host, { y, lower, upper }, { residual_sd: sd, function: fitted, unit }) => {
    const text = written(y, isSingle), half = (upper - lower) / 2;
    const spread = half > 0 && Number.isFinite(half) ? half / 2 : fitted ? 0 : sd ?? 0;
    const decimals = spread > 0 ? Math.max(0, 1 - Math.floor(Math.log10(spread))) : Infinity;
    const point = text.indexOf("."), end = point < 0 || text.includes("e") ? text.length : point + 1 + decimals;
    const whole = figure(y, text.slice(0, end));
    if (end < text.length) whole.append(el("span", { className: "faint" }, text.slice(end)));
    host.replaceChildren(whole, ...(unit ? [" ", el("span", { className: "unit" }, unit)] : []));
  };

  const intervalOf = (result, unit) => {
    if (level === null) return [];
    const what = inverse ? `${levelWords} limits: ` : `${levelWords} interval: `;
    const [lower, upper] = [result.lower, result.upper].map((end) => (Number.isFinite(end) ? number(end) : "no limit"));
    return [what, lower, " to ", upper, ...(unit ? [` ${unit}`] : [])];
  };

  const showReading = (place) => {
    const result = shown[place], { value, interval, gauge } = readings[place], { unit } = outputs[place];
    if (!result) return;
    writeValue(value, result, outputs[place]);
    interval.replaceChildren(...intervalOf(result, unit));
    const ends = [result.y, result.lower, result.upper].filter(Number.isFinite);
    seen[place] = [Math.min(seen[place][0], ...ends), Math.max(seen[place][1], ...ends)];
    drawGauge(gauge, ticks(...seen[place], 6), { ...result, lower: result.lower ?? null, upper: result.upper ?? null });
  };

  const warn = (answer) => {
    const far = fields.filter((field) => field.outside());
    const each = far.map((field) => `${field.column.name} is ${field.words()} (training: ${field.rangeWords()})`);
    const known = far.length ? list(each) : answer?.in_range === false ? "this row is not like the training rows" : "";
    const trust = level === null ? "The prediction may be wrong there." : "The prediction may be wrong there, and the interval too narrow.";
    say("outside", known && `Outside the training range: ${known}. ${trust}`);
    $("readout").classList.toggle("outside", Boolean(known));
  };

  const refuse = (message) => {
    say("refused", `No prediction: ${message}`);
    for (const place of outputs.keys()) {
      shown[place] = null;
      readings[place].value.replaceChildren("—");
      for (const part of ["interval", "gauge"]) readings[place][part].replaceChildren();
    }
    $("instrument").classList.add("refused");
  };

  const predict = asking("readout", async (row) => {
    const [answer] = await backend.predict([row]);
    if (!isWhole()) return; // what was typed meanwhile is no number
    say("refused", "");
    $("instrument").classList.remove("refused");
    for (const [place, each] of outputs.entries()) {
      shown[place] = resultOf(answer, each.name);
      showReading(place);
    }
    warn(answer);
    $("readout").removeAttribute("aria-busy");
    if ($("reading").value === "") setReading();
    showCurve();
    speak();
  }, refuse);

  let later = 0;
  const speak = () => {
    clearTimeout(later);
    later = setTimeout(() => {
      const each = readings.map(({ value, interval }, place) => `${outputs[place].name} ${value.textContent}. ${interval.textContent}`);
      const outside = $("outside").textContent || $("refused").textContent;
      $("spoken").textContent = [...each, outside].filter(Boolean).join(" ");
    }, 900);
  };

  /** Predict at the ends of each column, so that the scales of the readings begin with what the model gives. */
  const survey = async () => {
    const rows = fields.flatMap((field) => (field.column.categories.length ? field.column.categories : field.ends ?? [])
      .map((value) => rowWith([field, value])));
    const answers = await backend.predict(rows).catch(() => []);
    for (const [place, { name }] of outputs.entries()) {
      const ends = answers.flatMap((each) => Object.values(resultOf(each, name))).filter(Number.isFinite);
      if (ends.length) seen[place] = [Math.min(...ends), Math.max(...ends)];
    }
  };

  // What each term adds

  const hasTerms = description.equation.length > 0 && !inverse;
  const explain = asking("terms", async (row) => {
    const explanation = (await backend.explain(row))[output()], { name, unit, function: fitted } = outputs[output()];
    fillTerms($("term-table"), { ...explanation, fitted: fitted ? explanation.fitted : name }, fitted ? null : unit);
    const back = `With ${explanation.fitted} taken back, ${name} is `, { correction } = explanation;
    const mean = correction ? `, where ${rough(correction)} is added for the mean` : "";
    $("terms-sum").replaceChildren(...(fitted ? [back, number(explanation.prediction), unit ? ` ${unit}` : "", mean, "."] : []));
    $("terms-sum").hidden = !fitted;
  }, () => $("term-table").replaceChildren());

  // The curve

  const curve = asking("chart", async ({ field, ends, key }) => {
    const xs = Array.from({ length: 101 }, (_, k) => (k < 100 ? valueAt(k / 100, ends) : ends[1]));
    const taken = xs.map((x) => (field.isTime ? x : held(x, dtype === "float32")));
    const answers = await backend.predict(taken.map((x) => rowWith([field, x])));
    curvePoints = answers.map((answer, k) => ({ answer, x: taken[k] }));
    curveOf = key;
    paintCurve(field, ends);
  }, (message) => $("chart").replaceChildren(el("p", { className: "quiet" }, `No curve: ${message}`)));

  const endsOf = (field) => {
    const [low, high] = field.ends;
    return field.isMissing ? [low, high] : [Math.min(low, field.value), Math.max(high, field.value)];
  };

  const showCurve = () => {
    const field = against();
    if (!field || !isWhole()) return;
    const ends = endsOf(field), key = JSON.stringify([rowWith([field, field.ends[0]]), field.column.name, ends]);
    if (key === curveOf) paintCurve(field, ends);
    else curve({ field, ends, key });
  };

  const paintCurve = (field, ends) => {
    const { name, unit } = outputs[output()], points = curvePoints.map(({ answer, x }) => ({ x, ...resultOf(answer, name) }));
    const now = field.isMissing || !shown[output()] ? null : { x: field.value, ...shown[output()] };
    drawCurve($("chart"), field, ends, points, now, unit);
    const words = (x) => (field.isTime ? clockText(x).slice(0, 19) : rough(x, isWide(ends) ? 0 : ends[1] - ends[0]));
    const told = [0, 50, 100].map((k) => `${withUnit(rough(points[k].y), unit)} at ${words(points[k].x)}`);
    $("chart").setAttribute("aria-label", `${name} against ${withUnit(field.column.name, field.column.unit && `in ${field.column.unit}`)}: ${list(told)}.`);
    const head = [field.column.name, name, ...(level === null ? [] : ["from", "to"])].map((each) => el("th", { scope: "col" }, each));
    const rows = points.filter((_, k) => k % 10 === 0).map(({ x, y, lower, upper }) => {
      const ends = level === null ? [] : [lower, upper].map((end) => (Number.isFinite(end) ? number(end) : "no limit"));
      const cells = [number(y), ...ends].map((each) => el("td", {}, each));
      return el("tr", {}, el("th", { scope: "row" }, words(x)), ...cells);
    });
    $("chart-table").replaceChildren(el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  };

  const drag = (event) => {
    const field = against(), at = event.clientX - $("chart").getBoundingClientRect().left;
    if (!event.buttons || !$("chart").valueAt || field.stops.length < 2) return;
    const value = $("chart").valueAt(at);
    const nearest = field.stops.reduce((best, each) => (Math.abs(each - value) < Math.abs(best - value) ? each : best));
    field.set(nearest);
    changed();
  };

  // The way back

  const setReading = () => {
    $("reading").value = written(shown[output()].y, isSingle).replaceAll("−", "-");
    takeBack();
  };
  const invert = asking("inverse", async ({ field, reading, at }) => {
    const found = await backend.invert({ [outputs[output()].name]: reading }, at);
    const { name, unit } = field.column, value = found[name], limits = [found[`${name}_lower`], found[`${name}_upper`]];
    const span = isWide(field.ends) ? 0 : field.ends[1] - field.ends[0];
    const text = (x) => figure(x, field.isTime ? clockText(Math.round(fromClock(field.column.time, x))) : rough(x, span, 5));
    $("found").replaceChildren(`${name} = `, text(value), field.isTime ? " UTC" : unit ? ` ${unit}` : "");
    const beyond = ["below the training range", "above the training range"];
    const ends = limits.map((end, k) => (Number.isFinite(end) ? text(end) : beyond[k]));
    $("found-why").replaceChildren(...(level === null ? [] : [`${levelWords} limits: `, ends[0], " to ", ends[1]]));
    $("take").hidden = false;
    $("take").onclick = () => { field.set(field.isTime ? Math.round(fromClock(field.column.time, value)) : value); changed(); };
  }, (message) => noInverse(message));

  const noInverse = (message) => {
    $("found").replaceChildren("—");
    $("found-why").textContent = message;
    $("take").hidden = true;
  };

  const takeBack = () => {
    if (!backTo.length || $("reading").value === "") return;
    const field = backTo[$("back-to").value || 0], others = fields.filter((each) => each !== field);
    $("reading").setAttribute("aria-invalid", "false");
    try {
      const reading = typed($("reading").value);
      if (others.some((each) => each.fault)) throw new Error("An input has no value.");
      invert({ field, reading, at: Object.fromEntries(others.map((each) => [each.column.name, each.cell()])) });
    } catch (error) {
      $("reading").setAttribute("aria-invalid", "true");
      noInverse(error.message);
    }
  };

  // What follows from a change

  let frame = 0;
  const changed = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      const bad = fields.filter((field) => field.fault);
      warn(null);
      if (bad.length) {
        refuse(`${list(bad.map((field) => field.column.name))}: ${bad[0].fault}`);
        speak();
        return;
      }
      const row = rowWith();
      predict(row);
      if (hasTerms) explain(row);
      takeBack();
    });
  };

  /** Lay the page out for this model: a part that it has nothing for is left out. */
  const layOut = () => {
    const names = (all) => all.map((each, place) => new Option((each.column ?? each).name, place));
    const parts = { curve: numeric.length, terms: hasTerms, inverse: backTo.length };
    for (const [id, count] of Object.entries({ ...parts, equation: description.equation.length })) $(id).hidden = !count;
    $("instrument").classList.toggle("many", columns.length > 12);
    $("fields").classList.toggle("unitless", !columns.some((each) => each.unit || each.time));
    $("fields").append(...fields.map((field) => field.element));
    $("of").append(...names(outputs));
    $("against").append(...names(numeric));
    $("back-to").append(...names(backTo));
    $("of-label").hidden = outputs.length < 2;
    $("readout").classList.toggle("several", outputs.length > 1);
    $("reading-of").textContent = withUnit(outputs[0].name, outputs[0].unit && `in ${outputs[0].unit}`);
    $("chart-key").textContent = level === null ? "" : `The band is the ${levelWords} ${inverse ? "limits" : "interval"}.`;
    $("chart-key").append(" Drag in the picture to move the input.");
    $("equation-lines").append(...description.equation.map((line) => el("p", {}, line)));
    $("certificate-lines").append(...description.certificate.map((line) => el("li", {}, line)));
    $("sha").textContent = `SHA-256 of the file: ${description.sha256}`;
    $("title").textContent = description.name;
    const from = `${columns.length} ${columns.length === 1 ? "input" : "inputs"}`;
    $("subtitle").textContent = inverse ? `From a reading of ${columns[0].name} back to ${outputs[0].name}` : `${list(outputs.map((each) => each.name))} from ${from}`;
    document.title = `${description.name}: try the model`;
    $("instrument").hidden = false;
  };

  $("inputs").addEventListener("submit", (event) => event.preventDefault());
  $("inputs").addEventListener("reset", (event) => {
    event.preventDefault();
    for (const field of fields) field.reset();
    changed();
  });
  $("against").addEventListener("change", showCurve);
  $("of").addEventListener("change", () => {
    const { name, unit } = outputs[output()];
    $("reading-of").textContent = withUnit(name, unit && `in ${unit}`);
    if (shown[output()]) setReading();
    changed();
  });
  for (const kind of ["pointerdown", "pointermove"]) $("chart").addEventListener(kind, drag);
  $("reading").addEventListener("input", takeBack);
  $("back-to").addEventListener("change", takeBack);
  layOut();
  for (const field of fields) field.reset();
  new ResizeObserver(() => { for (const place of outputs.keys()) showReading(place); showCurve(); }).observe($("readout"));
  survey().then(changed);
}

/** Start the page: with one model, the instrument; with several, their list. */
function main(descriptions, backendOf) {
  if (descriptions.length === 1) {
    instrument(descriptions[0], backendOf(descriptions[0]));
    return;
  }
  $("models").hidden = false;
  $("subtitle").textContent = `${descriptions.length} models`;
  $("model-list").append(...descriptions.map(({ name, outputs, columns }) => {
    const some = columns.slice(0, 4).map((each) => each.name).join(", ") + (columns.length > 4 ? ", …" : "");
    const what = `${list(outputs.map((each) => each.name))} from ${some}`;
    return el("li", {}, el("a", { href: `?model=${encodeURIComponent(name)}` }, name), el("span", { className: "quiet" }, what));
  }));
}
