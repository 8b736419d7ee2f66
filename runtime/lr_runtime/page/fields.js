// A field for each column of a model. Instants are milliseconds since 1970 here.

const SLIDER_STEPS = 250;
const TIME_STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400].map((each) => 1e3 * each);
const DAY = 864e5;
const FLOAT32_INTEGERS = 2 ** 24; // float32 holds every integer up to here

const fromClock = ({ since, seconds }, count) => 1e3 * (since + count * seconds);
const clockText = (at) => new Date(at).toISOString().replace(/(:00)?\.000Z$/, "").replace("Z", "").replace("T", " ");
const spanOf = (ends) => (isWide(ends) ? 0 : ends[1] - ends[0]);

/** What a kind of column is set with, how that is read and written, and what the model is given. */
const KINDS = {
  number: {
    control: ({ minimum }) => el("input", { type: "text", inputMode: (minimum ?? -1) < 0 ? "text" : "decimal" }),
    read: typed,
    write: (value) => written(value).replaceAll("−", "-"),
    text: (value) => written(value),
    short: (value, ends) => rough(value, spanOf(ends)),
    cell: (value) => value,
  },
  category: {
    control: ({ categories, missing }) => {
      const others = missing === "error" ? [] : [new Option("missing", "")];
      return el("select", {}, ...categories.map((each) => new Option(each, each)), ...others);
    },
    read: (text) => text || null,
    write: (value) => value ?? "",
    text: (value) => value,
    cell: (value) => value,
  },
  time: {
    control: () => el("input", { type: "datetime-local", step: 1 }),
    read: (text) => {
      const at = Date.parse(`${text}Z`); // not a number of a year with five digits, which a browser takes
      if (Number.isNaN(at)) throw new Error("Set a whole date and time, of a year up to 9999.");
      return at;
    },
    write: (value) => new Date(value).toISOString().replace(/(\.000)?Z$/, ""),
    text: clockText,
    short: (value) => clockText(value).slice(0, 19),
    cell: (value) => new Date(value).toISOString(),
  },
};

/** Return the training range of a column, no end of which rounding has moved outside; null where it has none. */
function rangeOf({ kind, minimum, maximum, time }) {
  if (kind === "category" || minimum === null || !(maximum > minimum && maximum - minimum < Infinity)) return null;
  if (kind === "number") return [minimum, maximum];
  return [[minimum, Math.ceil], [maximum, Math.floor]].map(([end, inward]) => {
    const at = fromClock(time, end), whole = Math.round(at);
    return Math.abs(at - whole) < 0.01 ? whole : inward(at);
  });
}

const isWide = ([low, high]) => low > 0 && high / low >= 1e4; // its scale is one of logarithms

/** Return where a value lies between two others, 0 to 1. */
function shareOf(value, ends) {
  const of = isWide(ends) ? Math.log : (each) => each;
  return (of(value) - of(ends[0])) / (of(ends[1]) - of(ends[0]));
}

/** Return the value at a share of the way between two others. */
const valueAt = (share, [low, high]) => (isWide([low, high]) ? low * (high / low) ** share : low * (1 - share) + high * share);

/** Return the nearest number that the model takes as it is. */
const held = (value, isSingle) => (isSingle && Math.abs(value) >= FLOAT32_INTEGERS ? Math.fround(value) : value);

/** Return the step of a slider: round, and not finer than numbers of that size are. */
function stepOf({ kind }, [low, high]) {
  const least = (high - low) / SLIDER_STEPS, size = Math.max(Math.abs(low), Math.abs(high));
  if (kind === "time") return TIME_STEPS.find((each) => each >= least) ?? Math.ceil(least / DAY) * DAY;
  const isWhole = Number.isInteger(low) && Number.isInteger(high) && high - low >= 20;
  return Math.max(nice(least), isWhole ? 1 : 0, size * 2 ** -50);
}

/** Return the values of a slider: the ends of the training range, and round numbers between them. */
function stopsOf(column, isSingle) {
  const ends = rangeOf(column), between = [];
  if (!ends) return [];
  if (isWide(ends) && column.kind === "number") {
    for (let k = 1; k < SLIDER_STEPS; k += 1) between.push(Number(valueAt(k / SLIDER_STEPS, ends).toPrecision(3)));
  } else {
    const step = stepOf(column, ends);
    for (let k = Math.floor(ends[0] / step) + 1; k * step < ends[1]; k += 1) between.push(Number((k * step).toPrecision(15)));
  }
  const taken = [ends[0], ...between, ends[1]].map((each) => held(each, isSingle && column.kind === "number"));
  return [...new Set(taken)].filter((each) => each >= ends[0] && each <= ends[1]);
}

/** A column's field: its element, and what it is set to. `changed` is called after a person sets it. */
class Field {
  constructor(column, place, isSingle, changed) {
    const ends = rangeOf(column), stops = stopsOf(column, isSingle), id = `field-${place}`;
    const start = column.categories[0] ?? stops[Math.floor(stops.length / 2)] ?? column.minimum ?? 0, unit = column.kind === "time" ? "UTC" : column.unit;
    Object.assign(this, { column, ends, stops, start, unit, kind: KINDS[column.kind], changed });
    this.input = this.kind.control(column);
    this.input.id = id;
    this.input.setAttribute("aria-describedby", `${id}-range ${id}-note`);
    this.slider = el("input", { type: "range", max: stops.length - 1, "aria-label": `${column.name}, slider` });
    this.missing = el("input", { type: "checkbox", id: `${id}-missing` });
    this.note = el("p", { className: "note", id: `${id}-note`, hidden: true });
    this.element = this.laidOut(id);
    this.listen();
    this.reset();
  }

  laidOut(id) {
    const { column, ends, kind, slider } = this, className = column.kind === "time" || column.name.length > 18 ? "field long" : "field";
    const box = el("div", { className: "box" }, this.input, el("span", { className: "unit quiet" }, this.unit ?? ""));
    const end = (at) => el("span", { "aria-hidden": "true", title: kind.text(at) }, kind.short(at, ends));
    const spoken = () => el("span", { className: "unseen", id: `${id}-range` }, `Training range ${this.rangeWords}.`);
    const mayMiss = column.missing !== "error" && column.kind !== "category";
    const missing = mayMiss ? [el("label", { className: "missing" }, this.missing, " missing")] : [];
    const parts = ends ? [end(ends[0]), spoken(), ...missing, end(ends[1])] : missing;
    const range = el("div", { className: "range quiet" }, ...parts), label = el("label", { htmlFor: id }, column.name);
    return el("div", { className }, label, box, ...(this.stops.length > 1 ? [slider] : []), range, this.note);
  }

  listen() {
    const { input, slider, missing, stops } = this;
    input.addEventListener("input", () => { this.type(); this.changed(); });
    slider.addEventListener("input", () => { this.set(stops[slider.value]); this.changed(); });
    missing.addEventListener("change", () => { this.set(this.value, missing, missing.checked); this.changed(); });
  }

  /** Take what was typed. */
  type() {
    try {
      this.set(this.kind.read(this.input.value), this.input);
    } catch (error) {
      this.fault = error.message;
      this.show();
    }
  }

  /** Take a value, null for a missing one, and show it everywhere but where a person is typing it. */
  set(value, from = null, isMissing = value === null) {
    Object.assign(this, { value, fault: "", isMissing });
    if (from !== this.input) this.input.value = this.kind.write(value);
    this.show();
  }

  reset() { this.set(this.start); }

  show() {
    const { input, slider, stops, note } = this, nearest = stops.findIndex((each) => each >= this.value);
    slider.value = nearest < 0 ? stops.length - 1 : nearest;
    slider.style.setProperty("--share", `${(100 * slider.value) / Math.max(1, stops.length - 1)}%`);
    slider.setAttribute("aria-valuetext", this.words);
    slider.disabled = this.isMissing;
    this.missing.checked = this.isMissing;
    if (input.tagName === "INPUT") input.disabled = this.isMissing;
    input.setAttribute("aria-invalid", String(Boolean(this.fault)));
    this.element.classList.toggle("outside", this.isOutside);
    say(note, this.fault || (this.isOutside ? `Outside the training range, ${this.rangeWords}` : ""));
  }

  get isOutside() {
    const { ends, value } = this;
    return Boolean(ends) && !this.isMissing && !this.fault && (value < ends[0] || value > ends[1]);
  }

  get cell() { return this.isMissing ? null : this.kind.cell(this.value); }
  get words() { return this.isMissing ? "missing" : withUnit(this.kind.text(this.value), this.unit); }

  get rangeWords() { return withUnit(this.ends.map((each) => this.kind.short(each, this.ends)).join(" to "), this.unit); }
}
