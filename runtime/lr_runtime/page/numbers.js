// Numbers as text, and text as numbers.

/** Return the nearest number of a count of digits, and of two as near the one that ends evenly, as the server does. */
function nearest(value, count) {
  const [digits, power] = value.toExponential(100).replace(".", "").split("e"), kept = count + (value < 0 ? 1 : 0);
  const isTie = /^50*$/.test(digits.slice(kept)) && "02468".includes(digits[kept - 1]);
  return Number(isTie ? `${digits.slice(0, kept)}e${Number(power) - count + 1}` : value.toPrecision(count));
}

/** Return a number in the fewest digits that give it back: its float32 where it is one and `isSingle`. */
function shortest(value, isSingle) {
  if (!isSingle || Math.fround(value) !== value) return value;
  const lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  return lengths.map((count) => nearest(value, count)).find((each) => Math.fround(each) === value);
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

/** Return the number that was typed; throw an error that says what to type. */
function typed(text) {
  const plain = text.trim().replaceAll("−", "-"), value = Number(plain);
  if (plain === "") throw new Error("A number is needed here.");
  if (/^[-+]?\d+,\d+$/.test(plain)) throw new Error(`Write a decimal point: ${plain.replace(",", ".")}`);
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain)) throw new Error("Write a number, such as 20.5 or 1e-9.");
  if (!Number.isFinite(value)) throw new Error("That is beyond the numbers that a computer holds.");
  if (/^[-+]?\d+$/.test(plain) && BigInt(plain.replace("+", "")) !== BigInt(value)) {
    throw new Error("A computer does not hold all its digits. Write it with a decimal point if it is no identifier.");
  }
  return value;
}

/** Return the least of 1, 2 or 5 times a power of ten that is not below a positive number. */
function nice(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return Number(([1, 2, 5].find((each) => each * power >= least * (1 - 1e-9)) ?? 10) * power.toPrecision(1));
}

/** Return round numbers, evenly spaced and about `count` steps, that enclose two numbers. */
function ticks(low, high, count) {
  const size = Math.max(Math.abs(low), Math.abs(high)), room = Math.max(high - low, 1e-9 * size);
  if (low === high) return ticks(low - (size || 1) / 2, high + (size || 1) / 2, count);
  const step = nice(room / count), first = Math.floor(low / step + 1e-9);
  const steps = Math.max(1, Math.ceil(high / step - 1e-9) - first);
  return Array.from({ length: steps + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

const list = (words) => [words.slice(0, -1).join(", "), words.at(-1)].filter(Boolean).join(" and ");
const withUnit = (text, unit) => (unit ? `${text} ${unit}` : text);
