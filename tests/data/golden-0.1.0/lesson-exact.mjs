// A linear model, written by lr-export: import { predict } from "./model.mjs". It takes one row.
//
// x, float32, holds in this order
//   x[0]  "x"  1 to 3
// y, float32, holds in this order
//   y[0]  "y"
// y is within 3.57e-07 of the exact model anywhere in the ranges above (precision exact)
//
// linedge js contract
// |{"contract":1,"columns":[{"name":"x","minimum":1.0,"maximum":3.0}],"outputs":[{"name":"y","r2":0.999945298383923|
// |8,"residual_sd":0.02091919999927064}],"rows":3,"linedge":"0.1.0","precision":"exact","input_dtype":"float32","bo|
// |und":[3.5702022426728196e-07],"input_rounding":[2.3674637361636997e-07],"equation":{"weight":[[1.98597252368927]|
// |],"bias":[0.03188782557845116]},"golden_rows":[{"x":[2.0],"y":[4.003832817077637]},{"x":[1.5],"y":[3.01084661483|
// |76465]},{"x":[2.5],"y":[4.996819019317627]}]}|

const c_weight /* (1, 1) */ = Float64Array.of(1.98597252368927);
const c_bias /* (1) */ = Float64Array.of(0.03188782557845116);

export function predict(row) {
  if (row.length !== 1) throw new RangeError(`the model takes 1 numbers, not ${row.length}`);
  for (const value of row) if (typeof value !== "number") throw new TypeError(`${String(value)} is not a number`);
  const x = Float32Array.from(row);
  const v0 = new Float64Array(1);
  v0[0] = x[0];
  const v1 = new Float64Array(1);
  for (let k = 0; k < 1; k += 1) {
    v1[k] = v0[0] * c_weight[k * 1];
    v1[k] = v1[k] + c_bias[k];
  }
  const v2 = new Float32Array(1);
  v2[0] = Math.fround(v1[0]);
  return {
    y: Array.from(v2),
  };
}
