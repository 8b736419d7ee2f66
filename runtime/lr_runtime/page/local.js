// The backend of a page from disk: the model's own JavaScript, behind Python's rules of rows; its bits and its words.

const FUNCTIONS = { reciprocal: (x) => 1 / x, hinge: (x, knot) => (0 > x - knot ? 0 : x - knot) }; // others are of Math
const HOLDS = { log: (x) => x > 0, log1p: (x) => x > -1, sqrt: (x) => x >= 0, reciprocal: (x) => x !== 0 };
const STEPS = 256; // of a training range, between which a curve is taken to rise or fall as it does at their ends

function localBackend(description, predict) {
  const { columns, outputs, results, inverse, model } = description;
  const held = description.input_dtype === "float32" ? Math.fround : Number;
  const [ends, flags] = [true, false].map((isEnd) => results.filter((name) => name.startsWith("y") === isEnd));

  // Returns the input of the model and its results for a row, which has a cell for every column.
  function answer(row, refuse) {
    const x = columns.map((column, at) => {
      const of = (why) => refuse(`column ${escaped(column.name)}: ${why}`);
      const derived = model.derived.filter((each) => each.column === at && each.domain);
      const value = numberOf(row[column.name], column, model, of);
      return checked(value, held, { ...description, ...column, derived }, of);
    });
    const found = predict(x);
    for (const name of results.filter((each) => each !== "in_range")) {
      const isFound = inverse && name !== "y" ? (value) => !Number.isNaN(value) : Number.isFinite;
      const bad = [found[name]].flat().findIndex((value) => !isFound(value));
      const called = ends.includes(name) ? outputs[bad]?.name + name.slice(1) : name;
      if (bad >= 0) refuse(`${escaped(called)} is beyond the range of ${model.output_dtype} there`);
    }
    return { x, found };
  }
  const numbered = (row, at) => answer(row, (why) => { throw Error(`row ${at + 1}: ${why}`); });
  const alone = (row) => answer(row, (why) => { throw Error(why); }).found;
  const endsOf = (found) => outputs.flatMap(({ name }, at) => ends.map((end) => [name + end.slice(1), found[end][at]]));
  const named = ({ found }) => Object.fromEntries([...endsOf(found), ...flags.map((flag) => [flag, found[flag]])]);
  return {
    predict: async (rows) => rows.map(numbered).map(named),
    explain: async (row) => explained(description, numbered(row, 0)),
    invert: async (reading, at) => inverted(description, held, alone, reading, at),
  };
}

function numberOf(cell, { kind, categories, time }, { missing_tokens: missing, instant }, refuse) {
  if (cell === null || cell === undefined || Number.isNaN(cell)) return NaN;
  if (kind === "category") {
    const text = typeof cell === "boolean" ? ["False", "True"][Number(cell)] : String(cell);
    const [index, known] = [categories.indexOf(text), `The model knows ${listed(categories)}`];
    return index < 0 ? refuse(`the category ${escaped(text)} is unknown. ${known}`) : index;
  }
  if (typeof cell !== "string") return Number(cell);
  const text = cell.replace(/^[ \t]+|[ \t]+$/g, "");
  const of = (why) => refuse(`${escaped(cell)} ${why}`);
  if (missing.includes(text)) return NaN;
  if (kind === "time") return counted(new RegExp(`^${instant}$`).exec(text), time, of);
  return /[^-+.\deE]/.test(text) || Number.isNaN(Number(text)) ? of("is not a number. Correct it") : Number(text);
}

// Returns a number as the model's input holds it, where it may stand there.
function checked(value, held, { input_dtype: dtype, missing, derived }, refuse) {
  if (Number.isNaN(value) && missing === "error") refuse("the value is missing. Fill it in or leave the row out");
  const [kept, text] = [held(value), String(value).replace("Infinity", "inf").replace(/^-?\d+$/, "$&.0")];
  const beyond = Number.isFinite(value) ? `is beyond the range of ${dtype}` : "is not a finite number";
  if (Math.abs(kept) === Infinity) refuse(`${text} ${beyond}`);
  const given = value === kept ? text : `${text}, ${Number(kept.toPrecision(8))} in ${dtype},`;
  const outside = derived.find((each) => !Number.isNaN(kept) && !HOLDS[each.function](kept));
  if (outside) refuse(`${given} is outside the domain of ${escaped(outside.name)}. Give a number ${outside.domain}`);
  return kept;
}

// Returns the units from the clock's origin to an instant, rounded once.
function counted(instant, clock, refuse) {
  if (!instant) refuse("is not an instant in ISO 8601, such as 2024-05-01 or 2024-05-01T12:00:00Z");
  const [, day, time = "T00", fraction = "", zone = "Z"] = instant;
  const date = Date.parse(`${day}T00:00Z`); // of a 30th of February the 1st of March; Python has no year 0
  const [hour, minute = 0, second = 0] = time.slice(1).split(":").map(Number);
  const isDay = !Number.isNaN(date) && new Date(date).toISOString().startsWith(day) && day > "0001";
  if (!isDay || second > 59) refuse("is no instant");
  const [h, m, s] = zone.slice(1).replaceAll(":", "").padEnd(6, "0").match(/../g).map(Number);
  const ahead = (zone[0] === "-" ? -1 : 1) * (3600 * h + 60 * m + s);
  const seconds = date / 1000 + 3600 * hour + 60 * minute + second - ahead - clock.since;
  const parts = BigInt(seconds) * 10n ** 9n + BigInt(fraction.padEnd(9, "0")) - BigInt(clock.beyond);
  return quotient(parts, BigInt(clock.seconds) * 10n ** 9n);
}

// Returns a quotient of whole numbers, rounded once: of 64 binary digits and a last one that tells whether more follow.
function quotient(parts, unit) {
  const [bits, digits] = [unit, parts].map((each) => each.toString(2).length);
  const shift = Math.min(Math.max(0, 64 + bits - digits), 1000);
  const [whole, rest] = [(parts << BigInt(shift)) / unit, (parts << BigInt(shift)) % unit];
  return Number(2n * whole + BigInt(Math.sign(Number(rest)))) / 2 ** (shift + 1);
}

// Returns a sum rounded once: of whole numbers of the smallest number that there is.
function exactSum(values) {
  const whole = (x, digits) => (Number.isInteger(x) ? BigInt(x) << BigInt(digits) : whole(2 * x, digits - 1));
  return quotient(values.map((x) => whole(x, 1074)).reduce((a, b) => a + b), 1n << 1074n);
}

function explained({ outputs, inverse, model }, { x, found }) {
  if (inverse) throw Error("a file of lr-export --inverse has no terms to explain. Explain the model that it inverts");
  const { terms, weight, bias, origin, scale, fill } = model.equation;
  const valueOf = ({ function: name, column, knot }) => (FUNCTIONS[name] ?? Math[name])(x[column], knot);
  const row = [...x, ...model.derived.map(valueOf)];
  const u = row.map((value, at) => ((Number.isNaN(value) ? fill[at] : value) - origin[at]) / scale[at]);
  const product = (factors) => factors.reduce((a, b) => a * b);
  const of = ({ column, power = 1, category, missing }) => {
    if (missing) return Number(Number.isNaN(row[column]));
    return category === undefined ? product(Array(power).fill(u[column])) : Number(row[column] === category);
  };
  const values = terms.map((term) => product(term.factors.map(of)));
  return outputs.map(({ name: output }, at) => {
    const share = (value, each) => ({ term: terms[each].name, value, weight: weight[at][each] });
    const shares = values.map(share).map((each) => ({ ...each, contribution: each.weight * each.value }));
    const total = exactSum([bias[at], ...shares.map((each) => each.contribution)]);
    const [fitted, correction] = [model.fitted[at], model.corrections[at]];
    return { output, intercept: bias[at], shares, total, prediction: found.y[at], fitted, correction };
  });
}

// Returns the value of the one column that `at` leaves at which an output is a reading; see Predictor.invert.
function inverted({ columns, outputs, model }, held, answer, reading, at) {
  const [[output, y]] = Object.entries(reading);
  const place = outputs.findIndex((each) => each.name === output);
  const [{ name: column, minimum, maximum, kind }, ...more] = columns.filter((each) => !Object.hasOwn(at, each.name));
  if (more.length || kind === "category") throw Error("all but one numeric column need a value to be held at");
  const curve = (name) => (x) => answer({ ...at, [column]: x })[name]?.[place];
  const [low, high] = [held(minimum), held(maximum)];
  const step = (part) => held(low * (1 - part / STEPS) + high * (part / STEPS));
  const values = Array.from({ length: STEPS + 1 }, (_, part) => curve("y")(Math.min(Math.max(step(part), low), high)));
  const [sign, ends] = [Math.sign(values[STEPS] - values[0]), [values[0], values[STEPS]].sort((a, b) => a - b)];
  const [from, to, asked] = [...ends, y].map((value) => Number(value.toPrecision(6)));
  const over = `over the training range of ${escaped(column)} ${escaped(output)} goes from ${from} to ${to}`;
  const turns = values.some((value, part) => part && (value - values[part - 1]) * sign < -2 * model.bound[place]);
  const never = sign && !turns ? "" : ", but does not rise or fall throughout, so that a reading has no one inverse";
  const beyond = ends[0] <= y && y <= ends[1] ? "" : `, which a reading of ${asked} is outside of`;
  if (never || beyond) throw Error(over + (never || beyond));
  const found = (name) => crossing((x) => sign * (curve(name)(x) - y), low, high, held);
  const x = found("y");
  if (curve("y_lower")(x) === undefined) return { [column]: x };
  const [lower = -Infinity, upper = Infinity] = (sign < 0 ? ["y_lower", "y_upper"] : ["y_upper", "y_lower"]).map(found);
  return { [column]: x, [`${column}_lower`]: lower, [`${column}_upper`]: upper };
}

// Returns where a curve that rises passes 0 between two numbers, between neighbours; undefined where it does not.
function crossing(curve, low, high, held) {
  const halved = (left, right, holds) => {
    const middle = held(held(left / 2) + held(right / 2));
    if (middle <= left || middle >= right) return [left, right];
    return holds(middle) ? halved(left, middle, holds) : halved(middle, right, holds);
  };
  if (curve(low) > 0 || curve(high) < 0) return undefined;
  const [left] = curve(low) === 0 ? [low] : halved(low, high, (x) => curve(x) >= 0);
  const right = curve(high) === 0 ? high : halved(low, high, (x) => curve(x) > 0)[1];
  return left / 2 + right / 2;
}

// Names as messages have them: not too long, nor too many, and with escapes for what is not seen.
function escaped(text) {
  const code = (point) => `\\u${point.codePointAt(0).toString(16).padStart(4, "0")}`;
  const points = Array.from(text, (point) => (/(?! )[\p{C}\p{Z}]/u.test(point) ? code(point) : point));
  return `"${points.slice(0, points.length > 60 ? 59 : 60).join("")}${points.length > 60 ? "…" : ""}"`;
}
const listed = (all) => all.slice(0, 12).map(escaped).join(", ") + (12 in all ? ` and ${all.length - 12} more` : "");
