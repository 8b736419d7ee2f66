// Runs the jobs of a folder (recording.py) in ONNX Runtime Web: run_onnxruntime_web.mjs BUNDLE. Batches grow from one row.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const ort = await import(pathToFileURL(process.argv[2]));
ort.env.wasm.numThreads = 1;
const run = async (place, { dtype, columns, results }) => {
  const bytes = readFileSync(`${place}.x`);
  const array = dtype === "float32" ? Float32Array : Float64Array;
  const x = new array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const session = await ort.InferenceSession.create(readFileSync(`${place}.onnx`));
  const written = [];
  for (let row = 0, rows = 1; row * columns < x.length; row += rows, rows *= 9) {
    const batch = x.slice(row * columns, (row + rows) * columns);
    const given = await session.run({ x: new ort.Tensor(dtype, batch, [batch.length / columns, columns]) });
    for (let at = 0; at < batch.length / columns; at += 1) {
      for (const [name, width] of results) {
        written.push(...Array.from(given[name].data.slice(at * width, (at + 1) * width), Number));
      }
    }
  }
  writeFileSync(`${place}.y`, Float64Array.from(written));
};
for (const [place, job] of JSON.parse(readFileSync("jobs.json", "utf8")).entries()) {
  try {
    await run(place, job);
  } catch (error) {
    writeFileSync(`${place}.error`, String(error));
  }
}
