// The page on which a person tries a model. `main` starts it with descriptions of models and a function that gives the
// backend of one: {predict(rows), explain(row), invert(reading, at)}, of promises. An error with `isGone` is no answer.

const RETRY_MILLISECONDS = 2000;
const QUIET_MILLISECONDS = 900; // without a change, after which the result is spoken
const CURVE_POINTS = 101;

/** Return a function that asks about its newest argument, one at a time, and again as long as nobody answers. */
function asking(ask, refuse) {
  let waiting = null, isBusy = false;
  const turn = async (argument) => {
    try {
      await ask(argument);
      isThere(true);
    } catch (error) {
      isThere(!error.isGone, error.message);
      if (!error.isGone) return refuse(error.message.replace(/^row \d+: /, ""));
      await new Promise((done) => { setTimeout(done, RETRY_MILLISECONDS); });
      waiting ??= [argument];
    }
  };
  return async (argument) => {
    waiting = [argument];
    if (isBusy) return;
    isBusy = true;
    while (waiting) {
      const [now] = waiting;
      waiting = null;
      await turn(now);
    }
    isBusy = false;
  };
}

/** Say that nobody answers, or no longer. */
function isThere(isSo, why) {
  say($("gone"), isSo ? "" : `${why} What is shown is the last that it said. Trying again.`);
  $("instrument").classList.toggle("stale", !isSo);
}

/** A model as the parts of the page share it: its description, its backend, and the fields, which say the row. */
class Model {
  constructor(description, backend, changed) {
    Object.assign(this, description, { backend });
    this.isSingle = this.input_dtype === "float32";
    this.fields = this.columns.map((column, place) => new Field(column, place, this.isSingle, changed));
    this.numeric = this.fields.filter((field) => field.ends);
    const level = written(Number((100 * this.interval_level).toPrecision(12)));
    this.interval = this.interval_level === null ? "" : `${level} % ${this.inverse ? "limits" : "interval"}`;
  }

  /** The row that the fields are set to, or one that differs in a field. */
  row(field = null, value = null) {
    const cells = this.fields.map((each) => [each.column.name, each === field ? each.kind.cell(value) : each.cell]);
    return Object.fromEntries(cells);
  }

  get faulty() { return this.fields.filter((field) => field.fault); }
  get output() { return this.outputs[$("of").value || 0]; } // whose terms and curve are shown
  text(y) { return written(y, this.precision !== "float64"); }
  number(y) { return figure(y, this.text(y)); }
  limit(y) { return Number.isFinite(y) ? this.number(y) : "no limit"; }
}

const resultOf = (answer, { name }) => ({ y: answer[name], lower: answer[`${name}_lower`], upper: answer[`${name}_upper`] });

/** The reading of an output: its number, its interval, and both on a scale that has all that was shown. */
class Reading {
  constructor(model, output) {
    const [value, interval, gauge] = ["value", "interval", "gauge"].map((className) => el("div", { className }));
    Object.assign(this, { model, output, value, interval, gauge, seen: [], result: null });
    interval.hidden = !model.interval;
    this.element = el("article", { className: "reading" }, el("h2", {}, output.name), value, interval, gauge);
  }

  show(answer) {
    const { unit } = this.output, { y, lower, upper } = (this.result = resultOf(answer, this.output));
    this.value.replaceChildren(this.bold(y, lower, upper), ...(unit ? [" ", el("span", { className: "unit" }, unit)] : []));
    const ends = [this.model.limit(lower), " to ", this.model.limit(upper), unit ? ` ${unit}` : ""];
    this.interval.replaceChildren(...(this.model.interval ? [`${this.model.interval}: `, ...ends] : []));
    this.draw([answer]);
  }

  /** Return a prediction as an element, in which digits are grey that its uncertainty makes meaningless. */
  bold(y, lower, upper) {
    const number = this.model.number(y), text = number.textContent, half = (upper - lower) / 2;
    const spread = half > 0 && half < Infinity ? half / 2 : this.output.function ? 0 : this.output.residual_sd;
    const point = text.indexOf("."), decimals = spread > 0 ? Math.max(0, 1 - Math.floor(Math.log10(spread))) : Infinity;
    const end = point < 0 || text.includes("e") ? text.length : point + 1 + decimals;
    number.replaceChildren(text.slice(0, end), el("span", { className: "faint" }, text.slice(end)));
    return number;
  }

  /** Draw the present result on a scale that has room for these answers, too. */
  draw(answers = []) {
    const ends = answers.flatMap((answer) => Object.values(resultOf(answer, this.output))).filter(Number.isFinite);
    if (this.result) this.seen = [Math.min(...this.seen, ...ends), Math.max(...this.seen, ...ends)];
    if (this.result) drawGauge(this.gauge, ticks(...this.seen, 6), this.result);
  }

  clear() {
    this.result = null;
    this.value.replaceChildren("—");
    for (const each of [this.interval, this.gauge]) each.replaceChildren();
  }
}

/** Say which columns are outside their training range. */
function warn(model, answer = {}) {
  const far = model.fields.filter((field) => field.isOutside);
  const each = far.map((field) => `${field.column.name} is ${field.words} (training: ${field.rangeWords})`);
  const known = far.length ? list(each) : answer.in_range === false ? "this row is not like the training rows" : "";
  const trust = `The prediction may be wrong there${model.interval ? `, and the ${model.interval} too narrow` : ""}.`;
  say($("outside"), known && `Outside the training range: ${known}. ${trust}`);
  $("readout").classList.toggle("outside", Boolean(known));
}

/** Return a function that shows what each term adds to the prediction of a row. */
function termsOf(model) {
  const isShown = model.equation.length > 0 && !model.inverse;
  $("terms").hidden = !isShown;
  const explain = asking(async (row) => {
    const explanation = (await model.backend.explain(row))[$("of").value || 0];
    const { name, unit, function: fitted } = model.output, { correction } = explanation;
    fillTerms($("term-table"), explanation, fitted ? explanation.fitted : name, fitted ? null : unit);
    const to = fitted === "sqrt" ? "the square of the sum" : "the sum"; // to which a mean's part is added
    const mean = correction ? `, where ${rough(correction)} is added to ${to} for the mean` : "";
    const back = [`With ${explanation.fitted} taken back, ${name} is `, model.number(explanation.prediction)];
    $("terms-sum").replaceChildren(...(fitted ? [...back, withUnit("", unit), mean, "."] : []));
    $("terms-sum").hidden = !fitted;
  }, () => { for (const each of ["term-table", "terms-sum"]) $(each).replaceChildren(); });
  return isShown ? explain : () => {};
}

/** The prediction against one numeric column, in a picture in which the column is set by dragging, and in a table. */
class Curve {
  constructor(model, readings, changed) {
    Object.assign(this, { model, readings, changed, key: "", answers: [], xs: [] });
    $("curve").hidden = !model.numeric.length;
    $("against").append(...model.numeric.map((field, place) => new Option(field.column.name, place)));
    for (const kind of ["pointerdown", "pointermove"]) $("chart").addEventListener(kind, (event) => this.drag(event));
    this.predict = asking((asked) => this.answer(asked), (message) => this.refuse(`No curve: ${message}`));
  }

  get field() { return this.model.numeric[$("against").value || 0]; }

  /** Show the curve about the present row; the backend is asked where another column has changed. */
  show() {
    const { model, field } = this;
    if (!field || model.faulty.length) return;
    const value = field.isMissing ? field.ends[0] : field.value;
    const ends = [Math.min(field.ends[0], value), Math.max(field.ends[1], value)];
    const key = JSON.stringify([model.row(field, field.ends[0]), field.column.name, ends]);
    if (key === this.key) this.paint();
    else this.predict({ field, ends, key });
  }

  async answer({ field, ends, key }) {
    const { model } = this, isSingle = model.isSingle && field.column.kind === "number", last = CURVE_POINTS - 1;
    const xs = Array.from({ length: CURVE_POINTS }, (_, k) => (k < last ? valueAt(k / last, ends) : ends[1]));
    const taken = xs.map((x) => held(x, isSingle));
    this.answers = await model.backend.predict(taken.map((x) => model.row(field, x)));
    Object.assign(this, { key, ends, xs: taken });
    for (const reading of this.readings) reading.draw(this.answers);
    if (field === this.field) this.paint();
  }

  refuse(message) {
    $("chart").replaceChildren(el("p", { className: "quiet" }, message));
    $("chart").setAttribute("aria-label", message);
    $("chart-table").replaceChildren();
  }

  paint() {
    const { field, model: { output } } = this, reading = this.readings.find((each) => each.output === output);
    const points = this.answers.map((answer, k) => ({ x: this.xs[k], ...resultOf(answer, output) }));
    const now = field.isMissing || !reading.result ? [] : [{ x: field.value, ...reading.result }];
    drawCurve($("chart"), field, this.ends, points, now, output.unit);
    this.tell(points.filter((_, k) => k % 10 === 0));
  }

  tell(points) {
    const { field, ends, model } = this, { name, unit } = model.output, { column } = field;
    const words = (x) => field.kind.short(x, ends), limits = (each) => (model.interval ? each : []);
    const told = [0, 5, 10].map((k) => `${withUnit(rough(points[k].y), unit)} at ${words(points[k].x)}`);
    const against = withUnit(column.name, field.unit && `in ${field.unit}`);
    $("chart").setAttribute("aria-label", `${name} against ${against}: ${list(told)}.`);
    const cells = ({ y, lower, upper }) => [model.number(y), ...limits([model.limit(lower), model.limit(upper)])];
    const rows = points.map((point) => row(words(point.x), ...cells(point)));
    $("chart-table").replaceChildren(headOf([column.name, name, ...limits(["from", "to"])]), el("tbody", {}, ...rows));
  }

  drag(event) {
    const { field } = this, at = event.clientX - $("chart").getBoundingClientRect().left;
    if (!event.buttons || !$("chart").valueAt || field.stops.length < 2) return;
    const value = $("chart").valueAt(at), distance = (each) => Math.abs(each - value);
    field.set(field.stops.reduce((best, each) => (distance(each) < distance(best) ? each : best)));
    this.changed();
  }
}

/** The way back: which value of a column gives a reading. */
class Inverse {
  constructor(model, changed) {
    Object.assign(this, { model, changed, fields: model.fields.filter((each) => model.invertible.includes(each.column.name)) });
    $("inverse").hidden = !this.fields.length;
    $("back-to").append(...this.fields.map((field, place) => new Option(field.column.name, place)));
    $("reading").addEventListener("input", () => this.show());
    $("back-to").addEventListener("change", () => this.show());
    this.invert = asking((asked) => this.answer(asked), (message) => this.refuse(message));
  }

  /** Begin with the present reading. */
  begin({ result }) {
    const { name, unit } = this.model.output;
    $("reading-of").textContent = withUnit(name, unit && `in ${unit}`);
    $("reading").value = this.model.text(result.y).replaceAll("−", "-");
    this.show();
  }

  /** Ask for the present reading; an answer to what was asked before is no longer shown. */
  show() {
    this.asked = null;
    if (!this.fields.length || $("reading").value === "") return this.refuse("");
    const { model } = this, field = this.fields[$("back-to").value || 0];
    $("reading").setAttribute("aria-invalid", "false");
    try {
      const { [field.column.name]: _, ...at } = model.row(), reading = { [model.output.name]: typed($("reading").value) };
      if (model.faulty.some((each) => each !== field)) throw new Error("An input has no value.");
      this.invert(this.asked = { field, reading, at });
    } catch (error) {
      $("reading").setAttribute("aria-invalid", "true");
      this.refuse(error.message);
    }
  }

  async answer(asked) {
    const { field, reading, at } = asked, { name, time } = field.column;
    const found = await this.model.backend.invert(reading, at);
    if (asked !== this.asked) return;
    const of = (x) => (time ? Math.round(fromClock(time, x)) : x);
    const text = (x) => figure(x, time ? clockText(of(x)) : rough(x, spanOf(field.ends), 5));
    const end = (x, where) => (Number.isFinite(x) ? text(x) : `${where} the training range`);
    const [lower, upper] = [end(found[`${name}_lower`], "below"), end(found[`${name}_upper`], "above")];
    $("found").replaceChildren(`${name} = `, text(found[name]), withUnit("", field.unit));
    const level = this.model.interval.replace("interval", "limits");
    $("found-why").replaceChildren(...(level ? [`${level}: `, lower, " to ", upper] : []));
    $("take").hidden = false;
    $("take").onclick = () => { field.set(of(found[name])); this.changed(); };
  }

  refuse(message) {
    $("found").replaceChildren("—");
    $("found-why").textContent = message;
    $("take").hidden = true;
  }
}

/** Return a function that has the result spoken, once it has not changed for a while. */
function speaker(readings) {
  let later = 0;
  return () => {
    clearTimeout(later);
    later = setTimeout(() => {
      const each = readings.map(({ output, value, interval }) => `${output.name} ${value.textContent}. ${interval.textContent}`);
      $("spoken").textContent = [...each, $("outside").textContent, $("refused").textContent].join(" ").trim();
    }, QUIET_MILLISECONDS);
  };
}

/** Write what does not change with the inputs. */
function layOut(model) {
  const { columns, outputs, inverse } = model, from = columns.length === 1 ? "1 input" : `${columns.length} inputs`;
  const names = list(outputs.map((each) => each.name));
  $("title").textContent = model.name;
  document.title = `${model.name}: try the model`;
  const held = inverse?.held.length ? `, where ${list(inverse.held)}` : "";
  $("subtitle").textContent = inverse ? `From a reading of ${columns[0].name} back to ${names}${held}` : `${names} from ${from}`;
  $("instrument").classList.toggle("many", columns.length > 12);
  $("fields").classList.toggle("unitless", model.fields.every((each) => !each.unit));
  $("fields").append(...model.fields.map((field) => field.element));
  $("of").append(...outputs.map((each, place) => new Option(each.name, place)));
  $("of-label").hidden = outputs.length < 2;
  $("readout").classList.toggle("several", outputs.length > 1);
  $("chart-key").textContent = `${model.interval && `The band shows the ${model.interval}. `}Drag in the picture to set the input.`;
  $("equation").hidden = !model.equation.length;
  $("equation-lines").append(...model.equation.map((each) => el("p", {}, each)));
  $("certificate-lines").append(...model.certificate.map((each) => el("li", {}, each)));
  $("sha").textContent = `SHA-256 of the ${model.format === "HTML page" ? "JavaScript inside" : "file"}: ${model.sha256}`;
  $("instrument").hidden = false;
}

/** Show one model, and all that follows from its fields. */
function instrument(description, backend) {
  let frame = 0;
  const changed = () => { frame ||= requestAnimationFrame(() => { frame = 0; follow(); }); };
  const model = new Model(description, backend, changed);
  const readings = model.outputs.map((output) => new Reading(model, output)), speak = speaker(readings);
  const terms = termsOf(model), curve = new Curve(model, readings, changed), inverse = new Inverse(model, changed);

  const refuse = (message) => {
    say($("refused"), `No prediction: ${message}`);
    for (const reading of readings) reading.clear();
    warn(model);
    $("instrument").classList.add("refused");
    speak();
  };
  const predict = asking(async (row) => {
    const [answer] = await backend.predict([row]);
    if (model.faulty.length) return; // what was typed meanwhile is no number
    say($("refused"), "");
    $("instrument").classList.remove("refused");
    for (const reading of readings) reading.show(answer);
    warn(model, answer);
    curve.show();
    if ($("reading").value === "") inverse.begin(readings.find((each) => each.output === model.output));
    speak();
  }, refuse);
  const follow = () => {
    const bad = model.faulty;
    inverse.show();
    if (bad.length) return refuse(`${list(bad.map((field) => field.column.name))}: ${bad[0].fault}`);
    predict(model.row());
    return terms(model.row());
  };

  layOut(model);
  $("readout").append(...readings.map((each) => each.element));
  $("inputs").addEventListener("submit", (event) => event.preventDefault());
  $("inputs").addEventListener("reset", (event) => {
    event.preventDefault();
    for (const field of model.fields) field.reset();
    for (const reading of readings) reading.seen = [];
    curve.key = "";
    changed();
  });
  $("against").addEventListener("change", () => curve.show());
  $("of").addEventListener("change", () => { $("reading").value = ""; changed(); });
  new ResizeObserver(() => { for (const each of readings) each.draw(); curve.show(); }).observe($("readout"));
  changed();
}

/** Start the page: with one model, the instrument; with several, their list. */
function main(descriptions, backendOf) {
  if (descriptions.length === 1) return instrument(descriptions[0], backendOf(descriptions[0]));
  $("models").hidden = false;
  $("subtitle").textContent = `${descriptions.length} models`;
  return $("model-list").append(...descriptions.map(({ name, outputs, columns }) => {
    const some = columns.slice(0, 4).map((each) => each.name).join(", ") + (columns.length > 4 ? ", …" : "");
    const what = el("span", { className: "quiet" }, `${list(outputs.map((each) => each.name))} from ${some}`);
    return el("li", {}, el("a", { href: `?model=${encodeURIComponent(name)}` }, name), what);
  }));
}
