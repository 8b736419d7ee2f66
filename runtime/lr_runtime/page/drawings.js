// Elements, and what is drawn with them. Texts of a model become text nodes, never markup.

const $ = (id) => document.getElementById(id);

/** Return an element with properties, attributes (role and those with a hyphen) and children. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "role" || name === "scope" || name.includes("-")) element.setAttribute(name, value);
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

/** Return a number of the model as an element that keeps all its digits. */
const figure = (value, text) => el("span", { className: "figure", title: String(value), "data-value": String(value) }, text);

/** Show a sentence in an element, or hide it with none. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

const line = (x1, y1, x2, y2, name) => svg("line", { class: name, x1, y1, x2, y2 });
const path = (points) => points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** Return the pixels that the longest text of marks needs along an axis. */
const roomOf = (marks) => 16 + 7.5 * Math.max(...marks.map((each) => written(each).length));

/** Draw the scale of an instrument, with the interval as a band and the prediction as a needle. */
function drawGauge(host, marks, { y, lower, upper }) {
  const width = host.clientWidth, side = 8, low = marks[0], high = marks.at(-1), parts = 10 * (marks.length - 1);
  const x = (value) => side + ((width - 2 * side) * (Math.min(high, Math.max(low, value)) - low)) / (high - low);
  const picture = svg("svg", { width, height: 62, "aria-hidden": "true" });
  const skip = Math.ceil((marks.length * Math.max(58, roomOf(marks))) / width);
  if (lower !== undefined) {
    const [from, to] = [x(lower ?? low), x(upper ?? high)];
    picture.append(svg("rect", { class: "band", x: from, y: 8, width: Math.max(2, to - from), height: 24 }));
  }
  for (let k = 0; k <= parts; k += 1) {
    const at = x(low + ((high - low) * k) / parts);
    picture.append(line(at, 32, at, k % 10 === 0 ? 41 : k % 5 === 0 ? 38 : 36, "tick"));
    if (k % (10 * skip)) continue;
    const text = written(marks[k / 10]), half = 4 * text.length, place = Math.min(width - half, Math.max(half, at));
    picture.append(svg("text", { x: place, y: 57, "text-anchor": "middle" }, text));
  }
  picture.append(line(side, 32, width - side, 32, "axis"));
  picture.append(svg("path", { class: "needle", d: `M${x(y) - 5} 0h10l-3.5 7v27h-3v-27z` }));
  host.replaceChildren(picture);
}

/** Return numbers to write along a horizontal axis, and their texts. */
function labelsOf({ column, kind }, ends, width) {
  const instants = (width < 400 ? [0, 1] : [0, 0.5, 1]).map((share) => valueAt(share, ends));
  if (column.kind === "time") return instants.map((at) => [at, kind.text(at).slice(0, 16)]);
  const inside = (low, high, room) => ticks(low, high, Math.max(2, width / room)).filter((each) => each >= low && each <= high);
  if (!isWide(ends)) return inside(...ends, Math.max(55, roomOf(inside(...ends, 55)))).map((each) => [each, written(each)]);
  const powers = inside(...ends.map(Math.log10), 55).filter(Number.isInteger);
  return powers.map((power) => [Number(`1e${power}`), `1e${power}`.replace("-", "−")]);
}

/** Return where numbers stand in a picture of the curve: its sizes, both scales, and the marks of the vertical one. */
function frameOf(width, ends, values) {
  const height = Math.round(Math.min(340, Math.max(210, width * 0.5)));
  const marks = ticks(Math.min(...values), Math.max(...values), 9), step = marks[1] - marks[0];
  const labelled = marks.filter((each) => marks.length < 7 || Math.round(each / step) % 2 === 0);
  const left = 14 + 7.2 * Math.max(...labelled.map((each) => written(each).length));
  const [right, top, bottom] = [width - 16, 26, height - 28];
  const x = (value) => left + (right - left) * shareOf(value, ends);
  const y = (value) => top + ((bottom - top) * (marks.at(-1) - value)) / (marks.at(-1) - marks[0]);
  return { width, height, left, right, top, bottom, x, y, labelled };
}

function drawAxes(picture, { height, left, right, bottom, x, y, labelled }, labels, unit) {
  for (const mark of labelled) {
    picture.append(line(left, y(mark), right, y(mark), "grid"));
    picture.append(svg("text", { x: left - 8, y: y(mark) + 4, "text-anchor": "end" }, written(mark)));
  }
  for (const [mark, text] of labels) {
    const half = 3.6 * text.length, place = Math.min(right + 12 - half, Math.max(half, x(mark)));
    picture.append(line(x(mark), bottom, x(mark), bottom + 5, "tick"));
    picture.append(svg("text", { x: place, y: height - 8, "text-anchor": "middle" }, text));
  }
  picture.append(svg("text", { x: 2, y: 12 }, unit ?? ""));
}

/** Draw the prediction against one column: the curve, its band, what is not trained on, and the present row. */
function drawCurve(host, field, ends, points, now, unit) {
  const values = [...points, ...now].flatMap((each) => [each.y, each.lower ?? each.y, each.upper ?? each.y]);
  const frame = frameOf(host.clientWidth, ends, values), { x, y, top, bottom, width, height, left, right } = frame;
  const picture = svg("svg", { width, height, "aria-hidden": "true" });
  drawAxes(picture, frame, labelsOf(field, ends, right - left), unit);
  if (points.every((each) => Number.isFinite(each.lower) && Number.isFinite(each.upper))) {
    const [over, under] = ["upper", "lower"].map((end) => points.map((each) => [x(each.x), y(each[end])]));
    picture.append(svg("path", { class: "band", d: `${path([...over, ...under.reverse()])}Z` }));
  }
  picture.append(svg("path", { class: "curve", d: path(points.map((each) => [x(each.x), y(each.y)])) }));
  for (const [from, to] of [[ends[0], field.ends[0]], [field.ends[1], ends[1]]].filter((each) => each[0] < each[1])) {
    const size = { x: x(from), y: top, width: x(to) - x(from), height: bottom - top };
    picture.append(svg("rect", { class: "beyond", ...size }));
  }
  for (const each of now) {
    picture.append(line(x(each.x), top, x(each.x), bottom, "plumb"));
    picture.append(svg("circle", { class: "point", cx: x(each.x), cy: y(each.y), r: 5.5 }));
  }
  host.replaceChildren(picture);
  host.valueAt = (at) => valueAt(Math.min(1, Math.max(0, (at - left) / (right - left))), ends);
}

const row = (head, ...cells) => el("tr", {}, el("th", { scope: "row" }, head), ...cells.map((each) => el("td", {}, each)));
const headOf = (names) => el("thead", {}, el("tr", {}, ...names.map((each) => el("th", { scope: "col" }, each))));

/** Return the bar of a number on a scale from low to high, broken off where the number is beyond. */
function barOf(value, low, high) {
  const bar = el("span", { className: value < 0 ? "bar less" : "bar" }), share = (at) => `${(100 * at) / (high - low)}%`;
  const [from, to] = [Math.max(low, Math.min(0, value)), Math.min(high, Math.max(0, value))];
  bar.classList.toggle("broken", value < low || value > high);
  bar.style.left = share(from - low);
  bar.style.width = share(to - from);
  const track = el("span", { className: "track", "aria-hidden": "true" }, bar);
  track.style.setProperty("--zero", share(-low));
  return track;
}

/** Fill the table of what each term adds: a bar in each row, on one scale, which an intercept far larger breaks off. */
function fillTerms(table, { intercept, shares, total }, fitted, unit) {
  const rows = [["intercept", intercept], ...shares.map((each) => [each.term, each.contribution])];
  const most = Math.max(...shares.map((each) => Math.abs(each.contribution)));
  const drawn = rows.map(([, value]) => value).filter((value, k) => k > 0 || !most || Math.abs(value) <= 3 * most);
  const low = Math.min(0, ...drawn), high = Math.max(low + Number.MIN_VALUE, 0, ...drawn);
  const size = Math.max(...rows.map(([, value]) => Math.abs(value)), Math.abs(total));
  const decimals = Math.max(0, 5 - Math.floor(Math.log10(size)));
  const said = (value) => figure(value, size > 1e-4 && size < 1e9 ? value.toFixed(decimals).replace("-", "−") : rough(value));
  const body = rows.map(([name, value]) => {
    const head = el("span", {}, el("span", { className: "term" }, name), barOf(value, low, high));
    return Object.assign(row(head, said(value)), { className: value ? "" : "none" });
  });
  const sum = el("tfoot", {}, row(`Sum: ${fitted}`, said(total)));
  table.replaceChildren(headOf(["Term", unit ? `Adds, ${unit}` : "Adds"]), el("tbody", {}, ...body), sum);
}
