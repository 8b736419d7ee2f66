// A linear model, written by lr-export: import { predict } from "./model.mjs". It takes one row.
//
// x, float32, holds in this order
//   x[0]  "temp"  12.230013099763832 to 27.169216443982528 in "degC"; NaN where it is missing
//   x[1]  "rh"  0.20912620246651842 to 0.885160594576726; NaN where it is missing
//   x[2]  "site"  0 for "east", 1 for "north", 2 for "south"; NaN where it is missing
// y, float32, holds in this order
//   y[0]  "y" in "ppb"
//   y[1]  "z"
// y_lower, y_upper: the ends of the prediction interval at the level 0.95
// in_range: whether every column is within the range above
// leverage: how far the row is from the training rows, at most 1 for each of those
// y is within 5.18e-07, 1.44e-07 of the exact model anywhere in the ranges above (precision exact)
//
// linedge js contract
// |{"contract":1,"columns":[{"name":"temp","minimum":12.230013099763832,"maximum":27.169216443982528,"unit":"degC",|
// |"missing":"indicator"},{"name":"rh","minimum":0.20912620246651842,"maximum":0.885160594576726,"missing":"mean"},|
// |{"name":"site","minimum":0.0,"maximum":2.0,"kind":"category","missing":"indicator","categories":["east","north",|
// |"south"]}],"outputs":[{"name":"y","r2":0.8492439768390443,"residual_sd":0.3953364710047291,"unit":"ppb"},{"name"|
// |:"z","r2":0.9999747954092676,"residual_sd":0.001967227394387982}],"rows":80,"linedge":"0.1.0","precision":"exact|
// |","input_dtype":"float32","results":["y","y_lower","y_upper","in_range","leverage"],"interval_level":0.95,"bound|
// |":[5.179401475489242e-07,1.4421183079627242e-07],"input_rounding":[4.430856870543656e-07,6.959460456676984e-08],|
// |"equation":{"terms":[{"column":0},{"column":0,"power":2},{"column":0,"missing":true},{"column":1},{"column":1,"p|
// |ower":2},{"column":2,"category":1},{"column":2,"category":2},{"column":2,"missing":true}],"weight":[[0.990085899|
// |1425359,0.12172870333843455,0.4302834892836472,-0.7081800183209348,-0.04151370481734537,0.1334078694296829,0.527|
// |8949699989105,0.3125999014547313],[-4.532095503287147e-05,3.4267057618445004e-05,-0.0005458332150872544,0.430162|
// |69184524675,0.05391471252955627,-6.212305890050274e-06,-0.000244002260331192,-4.818975601169367e-05]],"bias":[4.|
// |794034457705619,1.6987801821637138],"origin":[19.6895751953125,0.5297561883926392,0.0],"scale":[4.0,0.25,1.0],"f|
// |ill":[19.6895751097644,0.5297561908683154,0.0]},"golden_rows":[{"x":[19.699615478515625,0.3781347870826721,2.0],|
// |"y":[5.738646507263184,1.45747971534729]},{"x":[null,null,null],"y":[5.536917686462402,1.6981861591339111]},{"x"|
// |:[23.434415817260742,0.2936305105686188,1.0],"y":[6.59290885925293,1.3405683040618896]}]}|

const c_origin /* (2) */ = Float64Array.of(19.6895751953125, 0.5297561883926392);
const c_inverse_scale /* (2) */ = Float64Array.of(0.25, 4.0);
const c_fill /* (2) */ = Float64Array.of(-2.13870245957537e-08, 9.90270487832845e-09);
const c_levels3 /* (3) */ = Float32Array.of(0.0, 1.0, 2.0);
const c_weight /* (2, 9) */ = Float64Array.of(
  0.9900858991425359, -0.7081800183209348, 0.12172870333843455, -0.04151370481734537,
  0.0, 0.1334078694296829, 0.5278949699989105, 0.3125999014547313,
  0.4302834892836472, -4.532095503287147e-05, 0.43016269184524675, 3.4267057618445004e-05,
  0.05391471252955627, 0.0, -6.212305890050274e-06, -0.000244002260331192,
  -4.818975601169367e-05, -0.0005458332150872544
);
const c_bias /* (2) */ = Float64Array.of(4.794034457705619, 1.6987801821637138);
const c_factor /* (8, 9) */ = Float64Array.of(
  0.14804647282566907, 0.0, 0.0, 0.0,
  0.0, 0.0, 0.0, 0.0,
  0.0, 0.024673529251339844, 0.0, 0.14448997829033142,
  0.0, 0.0, 0.0, 0.0,
  0.0, 0.0, 0.006709850568156652, 0.0,
  0.03929337197967652, 0.0, 0.0, 0.0,
  0.0, 0.0, 0.36668019638506544, -0.02041338327913379,
  0.1377483945544449, 0.021935397185220657, 0.0, 0.0,
  0.0, 0.0, 0.0, -0.03565709270805513,
  0.0037728134925839076, -0.03324434314412335, -0.012611317468845333, 0.18794799527990746,
  0.0, 0.0, 0.0, 0.0,
  0.027302668663130136, 0.0009451991484120635, -0.00838452567242958, 0.018928757159473772,
  0.0256109984669437, 0.0, 0.24446082539434863, 0.0,
  0.0, -0.041682461647874015, -0.00529865280929549, -0.038631960234231995,
  -0.0034969989175627813, 0.023952336628307366, 0.0, 0.13906347024326846,
  0.28763441584789745, 0.0, 0.04578997374433854, 0.025907910244920066,
  0.017740724848596935, 0.01735849809562111, 0.007011828627088974, 0.0,
  0.12118583567299697, 0.1115752419514292, 0.430683294209873, -0.004228623145236799
);
const c_shift /* (8) */ = Float64Array.of(
  3.166273603302901e-09, -0.08240462858903422, -0.06366107438413557, -0.008498638675598793,
  -0.12809684098077248, -0.10662841420825339, -0.1568266565459879, -0.133192565503503
);
const c_constant /* (1) */ = Float64Array.of(0.0125);
const c_square /* (2) */ = Float64Array.of(0.6213830478389686, 1.5386320177781425e-05);
const c_low /* (2) */ = Float32Array.of(12.230012893676758, 0.20912618935108185);
const c_high /* (2) */ = Float32Array.of(27.169218063354492, 0.8851606249809265);

export function predict(row) {
  if (row.length !== 3) throw new RangeError(`the model takes 3 numbers, not ${row.length}`);
  for (const value of row) if (typeof value !== "number") throw new TypeError(`${String(value)} is not a number`);
  const x = Float32Array.from(row);
  const v0 = new Float32Array(2);
  v0[0] = x[0];
  v0[1] = x[1];
  const v1 = new Uint8Array(2);
  for (let i = 0; i < 2; i += 1) { v1[i] = v0[i] !== v0[i]; }
  const v2 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v2[i] = v0[i]; }
  const v3 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v3[i] = v2[i] - c_origin[i]; }
  const v4 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v4[i] = v3[i] * c_inverse_scale[i]; }
  const v5 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v5[i] = v1[i] ? c_fill[i] : v4[i]; }
  const v6 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v6[i] = v5[i] * v5[i]; }
  const v7 = new Float32Array(1);
  v7[0] = x[2];
  const v8 = new Uint8Array(3);
  for (let i = 0; i < 3; i += 1) { v8[i] = v7[0] === c_levels3[i]; }
  const v9 = new Uint8Array(1);
  v9[0] = v7[0] !== v7[0];
  const v10 = new Uint8Array(4);
  for (let i = 0; i < 3; i += 1) { v10[i] = v8[i]; }
  v10[3] = v9[0];
  const v11 = new Float64Array(4);
  for (let i = 0; i < 4; i += 1) { v11[i] = v10[i]; }
  const v12 = new Float64Array(1);
  v12[0] = v11[0];
  for (let i = 1; i < 4; i += 1) { v12[0] = v12[0] + v11[i]; }
  const v13 = new Float64Array(4);
  for (let i = 0; i < 4; i += 1) { v13[i] = v11[i] / v12[0]; }
  const v14 = new Uint8Array(1);
  v14[0] = v1[0];
  const v15 = new Float64Array(1);
  v15[0] = v14[0];
  const v16 = new Float64Array(9);
  for (let i = 0; i < 2; i += 1) { v16[i] = v5[i]; }
  for (let i = 0; i < 2; i += 1) { v16[2 + i] = v6[i]; }
  for (let i = 0; i < 4; i += 1) { v16[4 + i] = v13[i]; }
  v16[8] = v15[0];
  const v17 = new Float64Array(2);
  for (let k = 0; k < 2; k += 1) {
    v17[k] = v16[0] * c_weight[k * 9];
    for (let i = 1; i < 9; i += 1) {
      const p = v16[i] * c_weight[k * 9 + i];
      v17[k] = v17[k] + p;
    }
    v17[k] = v17[k] + c_bias[k];
  }
  const v18 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v18[i] = Math.fround(v17[i]); }
  const v19 = new Float64Array(8);
  for (let k = 0; k < 8; k += 1) {
    v19[k] = v16[0] * c_factor[k * 9];
    for (let i = 1; i < 9; i += 1) {
      const p = v16[i] * c_factor[k * 9 + i];
      v19[k] = v19[k] + p;
    }
    v19[k] = v19[k] + c_shift[k];
  }
  const v20 = new Float64Array(8);
  for (let i = 0; i < 8; i += 1) { v20[i] = v19[i] * v19[i]; }
  const v21 = new Float64Array(1);
  v21[0] = v20[0];
  for (let i = 1; i < 8; i += 1) { v21[0] = v21[0] + v20[i]; }
  const v22 = new Float64Array(1);
  v22[0] = v21[0] + c_constant[0];
  const v23 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v23[i] = v22[0] * c_square[i]; }
  const v24 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v24[i] = v23[i] + c_square[i]; }
  const v25 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v25[i] = Math.sqrt(v24[i]); }
  const v26 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v26[i] = v17[i] - v25[i]; }
  const v27 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v27[i] = Math.fround(v26[i]); }
  const v28 = new Float64Array(2);
  for (let i = 0; i < 2; i += 1) { v28[i] = v17[i] + v25[i]; }
  const v29 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v29[i] = Math.fround(v28[i]); }
  const v30 = new Float32Array(2);
  v30[0] = x[0];
  v30[1] = x[1];
  const v31 = new Uint8Array(2);
  for (let i = 0; i < 2; i += 1) { v31[i] = v30[i] !== v30[i]; }
  const v32 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v32[i] = v31[i] ? c_low[i] : v30[i]; }
  const v33 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v33[i] = Math.fround(v32[i] - c_low[i]); }
  const v34 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v34[i] = Math.fround(Math.sqrt(v33[i])); }
  const v35 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v35[i] = Math.fround(c_high[i] - v32[i]); }
  const v36 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v36[i] = Math.fround(Math.sqrt(v35[i])); }
  const v37 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v37[i] = Math.fround(v34[i] + v36[i]); }
  const v38 = new Float64Array(1);
  v38[0] = v16[4];
  const v39 = new Float32Array(1);
  v39[0] = Math.fround(v38[0]);
  const v40 = new Float32Array(3);
  for (let i = 0; i < 2; i += 1) { v40[i] = v37[i]; }
  v40[2] = v39[0];
  const v41 = new Float32Array(1);
  v41[0] = v40[0];
  for (let i = 1; i < 3; i += 1) { v41[0] = Math.fround(v41[0] + v40[i]); }
  const v42 = new Uint8Array(1);
  v42[0] = v41[0] === v41[0];
  const v43 = new Float32Array(1);
  v43[0] = Math.fround(v22[0]);
  return {
    y: Array.from(v18),
    y_lower: Array.from(v27),
    y_upper: Array.from(v29),
    in_range: v42[0] === 1,
    leverage: v43[0],
  };
}
