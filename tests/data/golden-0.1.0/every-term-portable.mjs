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
// y is within 5.12e-06, 1.4e-06 of the exact model anywhere in the ranges above (precision portable)
//
// linedge js contract
// |{"contract":1,"columns":[{"name":"temp","minimum":12.230013099763832,"maximum":27.169216443982528,"unit":"degC",|
// |"missing":"indicator"},{"name":"rh","minimum":0.20912620246651842,"maximum":0.885160594576726,"missing":"mean"},|
// |{"name":"site","minimum":0.0,"maximum":2.0,"kind":"category","missing":"indicator","categories":["east","north",|
// |"south"]}],"outputs":[{"name":"y","r2":0.8492439768390443,"residual_sd":0.3953364710047291,"unit":"ppb"},{"name"|
// |:"z","r2":0.9999747954092676,"residual_sd":0.001967227394387982}],"rows":80,"linedge":"0.1.0","precision":"porta|
// |ble","input_dtype":"float32","results":["y","y_lower","y_upper","in_range","leverage"],"interval_level":0.95,"bo|
// |und":[5.123662031064412e-06,1.3970993460636258e-06],"input_rounding":[4.430856870543656e-07,6.959460456676984e-0|
// |8],"equation":{"terms":[{"column":0},{"column":0,"power":2},{"column":0,"missing":true},{"column":1},{"column":1|
// |,"power":2},{"column":2,"category":1},{"column":2,"category":2},{"column":2,"missing":true}],"weight":[[0.990085|
// |8991425359,0.12172870333843455,0.4302834892836472,-0.7081800183209348,-0.04151370481734537,0.1334078694296829,0.|
// |5278949699989105,0.3125999014547313],[-4.532095503287147e-05,3.4267057618445004e-05,-0.0005458332150872544,0.430|
// |16269184524675,0.05391471252955627,-6.212305890050274e-06,-0.000244002260331192,-4.818975601169367e-05]],"bias":|
// |[4.794034457705619,1.6987801821637138],"origin":[19.6895751953125,0.5297561883926392,0.0],"scale":[4.0,0.25,1.0]|
// |,"fill":[19.6895751097644,0.5297561908683154,0.0]},"golden_rows":[{"x":[19.699615478515625,0.3781347870826721,2.|
// |0],"y":[5.738646507263184,1.45747971534729]},{"x":[null,null,null],"y":[5.536917686462402,1.6981861591339111]},{|
// |"x":[23.434415817260742,0.2936305105686188,1.0],"y":[6.59290885925293,1.3405683040618896]}]}|

const c_origin /* (2) */ = Float32Array.of(19.6895751953125, 0.5297561883926392);
const c_inverse_scale /* (2) */ = Float32Array.of(0.25, 4.0);
const c_fill /* (2) */ = Float32Array.of(-2.138702370757528e-08, 9.90270443423924e-09);
const c_levels3 /* (3) */ = Float32Array.of(0.0, 1.0, 2.0);
const c_weight /* (2, 9) */ = Float32Array.of(
  0.9900858998298645, -0.7081800103187561, 0.12172870337963104, -0.041513703763484955,
  0.0, 0.13340787589550018, 0.5278949737548828, 0.31259989738464355,
  0.43028348684310913, -4.532095408649184e-05, 0.4301626980304718, 3.426705734455027e-05,
  0.05391471087932587, 0.0, -6.212305834196741e-06, -0.0002440022653900087,
  -4.818975503440015e-05, -0.0005458332016132772
);
const c_bias /* (2) */ = Float32Array.of(4.794034481048584, 1.6987801790237427);
const c_factor /* (8, 9) */ = Float32Array.of(
  0.14804647862911224, 0.0, 0.0, 0.0,
  0.0, 0.0, 0.0, 0.0,
  0.0, 0.024673528969287872, 0.0, 0.14448997378349304,
  0.0, 0.0, 0.0, 0.0,
  0.0, 0.0, 0.0067098503932356834, 0.0,
  0.03929337114095688, 0.0, 0.0, 0.0,
  0.0, 0.0, 0.36668020486831665, -0.020413383841514587,
  0.13774839043617249, 0.021935397759079933, 0.0, 0.0,
  0.0, 0.0, 0.0, -0.035657092928886414,
  0.003772813593968749, -0.03324434161186218, -0.012611317448318005, 0.18794798851013184,
  0.0, 0.0, 0.0, 0.0,
  0.02730266936123371, 0.0009451991645619273, -0.008384525775909424, 0.018928756937384605,
  0.025610998272895813, 0.0, 0.2444608211517334, 0.0,
  0.0, -0.04168246313929558, -0.005298652686178684, -0.03863196074962616,
  -0.0034969989210367203, 0.023952336981892586, 0.0, 0.13906347751617432,
  0.28763440251350403, 0.0, 0.04578997194766998, 0.025907909497618675,
  0.017740724608302116, 0.01735849864780903, 0.007011828478425741, 0.0,
  0.12118583917617798, 0.11157523840665817, 0.43068328499794006, -0.004228623118251562
);
const c_shift /* (8) */ = Float32Array.of(
  3.1662736876825193e-09, -0.08240462839603424, -0.06366107612848282, -0.00849863886833191,
  -0.1280968338251114, -0.1066284105181694, -0.1568266600370407, -0.13319256901741028
);
const c_constant /* (1) */ = Float32Array.of(0.012500000186264515);
const c_square /* (2) */ = Float32Array.of(0.6213830709457397, 1.5386320228572004e-05);
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
  const v2 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v2[i] = Math.fround(v0[i] - c_origin[i]); }
  const v3 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v3[i] = Math.fround(v2[i] * c_inverse_scale[i]); }
  const v4 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v4[i] = v1[i] ? c_fill[i] : v3[i]; }
  const v5 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v5[i] = Math.fround(v4[i] * v4[i]); }
  const v6 = new Float32Array(1);
  v6[0] = x[2];
  const v7 = new Uint8Array(3);
  for (let i = 0; i < 3; i += 1) { v7[i] = v6[0] === c_levels3[i]; }
  const v8 = new Uint8Array(1);
  v8[0] = v6[0] !== v6[0];
  const v9 = new Uint8Array(4);
  for (let i = 0; i < 3; i += 1) { v9[i] = v7[i]; }
  v9[3] = v8[0];
  const v10 = new Float32Array(4);
  for (let i = 0; i < 4; i += 1) { v10[i] = Math.fround(v9[i]); }
  const v11 = new Float32Array(1);
  v11[0] = v10[0];
  for (let i = 1; i < 4; i += 1) { v11[0] = Math.fround(v11[0] + v10[i]); }
  const v12 = new Float32Array(4);
  for (let i = 0; i < 4; i += 1) { v12[i] = Math.fround(v10[i] / v11[0]); }
  const v13 = new Uint8Array(1);
  v13[0] = v1[0];
  const v14 = new Float32Array(1);
  v14[0] = Math.fround(v13[0]);
  const v15 = new Float32Array(9);
  for (let i = 0; i < 2; i += 1) { v15[i] = v4[i]; }
  for (let i = 0; i < 2; i += 1) { v15[2 + i] = v5[i]; }
  for (let i = 0; i < 4; i += 1) { v15[4 + i] = v12[i]; }
  v15[8] = v14[0];
  const v16 = new Float32Array(2);
  for (let k = 0; k < 2; k += 1) {
    v16[k] = Math.fround(v15[0] * c_weight[k * 9]);
    for (let i = 1; i < 9; i += 1) {
      const p = Math.fround(v15[i] * c_weight[k * 9 + i]);
      v16[k] = Math.fround(v16[k] + p);
    }
    v16[k] = Math.fround(v16[k] + c_bias[k]);
  }
  const v17 = new Float32Array(8);
  for (let k = 0; k < 8; k += 1) {
    v17[k] = Math.fround(v15[0] * c_factor[k * 9]);
    for (let i = 1; i < 9; i += 1) {
      const p = Math.fround(v15[i] * c_factor[k * 9 + i]);
      v17[k] = Math.fround(v17[k] + p);
    }
    v17[k] = Math.fround(v17[k] + c_shift[k]);
  }
  const v18 = new Float32Array(8);
  for (let i = 0; i < 8; i += 1) { v18[i] = Math.fround(v17[i] * v17[i]); }
  const v19 = new Float32Array(1);
  v19[0] = v18[0];
  for (let i = 1; i < 8; i += 1) { v19[0] = Math.fround(v19[0] + v18[i]); }
  const v20 = new Float32Array(1);
  v20[0] = Math.fround(v19[0] + c_constant[0]);
  const v21 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v21[i] = Math.fround(v20[0] * c_square[i]); }
  const v22 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v22[i] = Math.fround(v21[i] + c_square[i]); }
  const v23 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v23[i] = Math.fround(Math.sqrt(v22[i])); }
  const v24 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v24[i] = Math.fround(v16[i] - v23[i]); }
  const v25 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v25[i] = Math.fround(v16[i] + v23[i]); }
  const v26 = new Float32Array(2);
  v26[0] = x[0];
  v26[1] = x[1];
  const v27 = new Uint8Array(2);
  for (let i = 0; i < 2; i += 1) { v27[i] = v26[i] !== v26[i]; }
  const v28 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v28[i] = v27[i] ? c_low[i] : v26[i]; }
  const v29 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v29[i] = Math.fround(v28[i] - c_low[i]); }
  const v30 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v30[i] = Math.fround(Math.sqrt(v29[i])); }
  const v31 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v31[i] = Math.fround(c_high[i] - v28[i]); }
  const v32 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v32[i] = Math.fround(Math.sqrt(v31[i])); }
  const v33 = new Float32Array(2);
  for (let i = 0; i < 2; i += 1) { v33[i] = Math.fround(v30[i] + v32[i]); }
  const v34 = new Float32Array(1);
  v34[0] = v15[4];
  const v35 = new Float32Array(3);
  for (let i = 0; i < 2; i += 1) { v35[i] = v33[i]; }
  v35[2] = v34[0];
  const v36 = new Float32Array(1);
  v36[0] = v35[0];
  for (let i = 1; i < 3; i += 1) { v36[0] = Math.fround(v36[0] + v35[i]); }
  const v37 = new Uint8Array(1);
  v37[0] = v36[0] === v36[0];
  return {
    y: Array.from(v16),
    y_lower: Array.from(v24),
    y_upper: Array.from(v25),
    in_range: v37[0] === 1,
    leverage: v20[0],
  };
}
