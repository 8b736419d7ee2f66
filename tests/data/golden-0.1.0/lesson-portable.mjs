// A linear model, written by lr-export: import { predict } from "./model.mjs". It takes one row.
//
// x, float32, holds in this order
//   x[0]  "x"  1 to 3
// y, float32, holds in this order
//   y[0]  "y"
// y is within 1.07e-06 of the exact model anywhere in the ranges above (precision portable)
//
// linedge js contract
// |{"contract":1,"columns":[{"name":"x","minimum":1.0,"maximum":3.0}],"outputs":[{"name":"y","r2":0.999945298383923|
// |8,"residual_sd":0.02091919999927064}],"rows":3,"linedge":"0.1.0","precision":"portable","input_dtype":"float32",|
// |"bound":[1.069160197260356e-06],"input_rounding":[2.3674637361636997e-07],"equation":{"weight":[[1.9859725236892|
// |7]],"bias":[0.03188782557845116]},"golden_rows":[{"x":[2.0],"y":[4.003832817077637]},{"x":[1.5],"y":[3.010846614|
// |8376465]},{"x":[2.5],"y":[4.996819496154785]}]}|

const c_weight /* (1, 1) */ = Float32Array.of(1.98597252368927);
const c_bias /* (1) */ = Float32Array.of(0.03188782557845116);

export function predict(row) {
  if (row.length !== 1) throw new RangeError(`the model takes 1 numbers, not ${row.length}`);
  for (const value of row) if (typeof value !== "number") throw new TypeError(`${String(value)} is not a number`);
  const x = Float32Array.from(row);
  const v0 = new Float32Array(1);
  for (let k = 0; k < 1; k += 1) {
    v0[k] = Math.fround(x[0] * c_weight[k * 1]);
    v0[k] = Math.fround(v0[k] + c_bias[k]);
  }
  return {
    y: Array.from(v0),
  };
}
