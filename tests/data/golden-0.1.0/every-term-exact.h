// A linear model, written by lr-export. Include it and call linedge_predict(x), which takes one row.
//
// Compile with -std=c99 -ffp-contract=off, and never with -ffast-math: the results are those of IEEE 754
// arithmetic, every operation rounded by itself. GCC, Clang and MSVC are told so below; others need their own option.
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
// linedge c contract
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
#ifndef linedge_MODEL_H
#define linedge_MODEL_H
#include <math.h>
#if defined(__FAST_MATH__)
#error "compile without -ffast-math: missing values are NaN, and no operation may be left out"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error "intermediate results have excess precision; on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif
#if defined(__SIZEOF_DOUBLE__) && __SIZEOF_DOUBLE__ != 8
#error "double has to be the 64-bit format of IEEE 754"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("-ffp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

static const double linedge_origin[2] /* (2) */ = {0x1.3b088p+4, 0x1.0f3c34p-1};
static const double linedge_inverse_scale[2] /* (2) */ = {0x1p-2, 0x1p+2};
static const double linedge_fill[2] /* (2) */ = {-0x1.6f6d21p-26, 0x1.54411dp-27};
static const float linedge_levels3[3] /* (3) */ = {0x0p+0f, 0x1p+0f, 0x1p+1f};
static const double linedge_weight[18] /* (2, 9) */ = {
  0x1.faec89fa188c6p-1, -0x1.6a969244bcfa2p-1, 0x1.f299cbfd2b438p-4, -0x1.54148c90d76acp-5,
  0x0p+0, 0x1.11382521d611ep-3, 0x1.0e483fdfbc879p-1, 0x1.401a3045ec6f7p-2,
  0x1.b89c3c29ed999p-2, -0x1.7c2e028530eb7p-15, 0x1.b87c9195bd17bp-2, 0x1.1f73f2268c191p-15,
  0x1.b9ab58e2ce521p-5, 0x0p+0, -0x1.a0e69a3ee2af5p-18, -0x1.ffb5b74e023aep-13,
  -0x1.943eb6898ab5cp-15, -0x1.1e2c7e7684b31p-11
};
static const double linedge_bias[2] /* (2) */ = {0x1.32d175e6ef88ep+2, 0x1.b2e3420d7c6f5p+0};
static const double linedge_factor[72] /* (8, 9) */ = {
  0x1.2f32fd38985fcp-3, 0x0p+0, 0x0p+0, 0x0p+0,
  0x0p+0, 0x0p+0, 0x0p+0, 0x0p+0,
  0x0p+0, 0x1.9440484d87a4ap-6, 0x0p+0, 0x1.27ea5c9ada91dp-3,
  0x0p+0, 0x0p+0, 0x0p+0, 0x0p+0,
  0x0p+0, 0x0p+0, 0x1.b7bc9cc053e02p-8, 0x0p+0,
  0x1.41e42c7345d2fp-5, 0x0p+0, 0x0p+0, 0x0p+0,
  0x0p+0, 0x0p+0, 0x1.777b036e42444p-2, -0x1.4e73ef6569f83p-6,
  0x1.1a1bd48d80b51p-3, 0x1.6763b962423e5p-6, 0x0p+0, 0x0p+0,
  0x0p+0, 0x0p+0, 0x0p+0, -0x1.241a57e1a630ap-5,
  0x1.ee829d210d688p-9, -0x1.105670d297a5ap-5, -0x1.9d3f660b48f6fp-7, 0x1.80eae0e89b938p-3,
  0x0p+0, 0x0p+0, 0x0p+0, 0x0p+0,
  0x1.bf53b1401b54p-6, 0x1.ef8e7b71f1bd6p-11, -0x1.12be7fc71c81bp-7, 0x1.3620f63d0c22cp-6,
  0x1.a39c503556e7fp-6, 0x0p+0, 0x1.f4a7e091c6703p-3, 0x0p+0,
  0x0p+0, -0x1.557675330544dp-5, -0x1.5b40a4875e4cdp-8, -0x1.3c7917b92a2e1p-5,
  -0x1.ca5bcff85c58ap-9, 0x1.886f619ecea6fp-6, 0x0p+0, 0x1.1ccd4f061ad7fp-3,
  0x1.2689a2e515485p-2, 0x0p+0, 0x1.771c88f6eea7bp-5, 0x1.a879a6cd6aa91p-6,
  0x1.22a9fe420d3eap-6, 0x1.1c66d168373adp-6, 0x1.cb86f6a374faep-8, 0x0p+0,
  0x1.f0608f0f43635p-4, 0x1.c9031ef398458p-4, 0x1.b9050a9e42827p-2, -0x1.1520861dabab4p-8
};
static const double linedge_shift[8] /* (8) */ = {
  0x1.b32b593d6f10ap-29, -0x1.5187840d434aap-4, -0x1.04c17988211e6p-4, -0x1.167bbf960b39bp-7,
  -0x1.0657a2f5dddc5p-3, -0x1.b4bffefd94a4ep-4, -0x1.412e55880c5ffp-3, -0x1.10c7438743584p-3
};
static const double linedge_constant[1] /* (1) */ = {0x1.999999999999ap-7};
static const double linedge_square[2] /* (2) */ = {0x1.3e25eb3983ac4p-1, 0x1.0223bdf1b4273p-16};
static const float linedge_low[2] /* (2) */ = {0x1.875c44p+3f, 0x1.ac4a5ap-3f};
static const float linedge_high[2] /* (2) */ = {0x1.b2b51ep+4f, 0x1.c533c6p-1f};

typedef struct {
  float y[2];
  float y_lower[2];
  float y_upper[2];
  unsigned char in_range;
  float leverage;
} linedge_results;

static inline linedge_results linedge_predict(const float x[3])
{
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
  linedge_results results;
  float v0[2];
  v0[0] = x[0];
  v0[1] = x[1];
  unsigned char v1[2];
  for (int i = 0; i < 2; i += 1) { v1[i] = v0[i] != v0[i]; }
  double v2[2];
  for (int i = 0; i < 2; i += 1) { v2[i] = (double)v0[i]; }
  double v3[2];
  for (int i = 0; i < 2; i += 1) { v3[i] = v2[i] - linedge_origin[i]; }
  double v4[2];
  for (int i = 0; i < 2; i += 1) { v4[i] = v3[i] * linedge_inverse_scale[i]; }
  double v5[2];
  for (int i = 0; i < 2; i += 1) { v5[i] = v1[i] ? linedge_fill[i] : v4[i]; }
  double v6[2];
  for (int i = 0; i < 2; i += 1) { v6[i] = v5[i] * v5[i]; }
  float v7[1];
  v7[0] = x[2];
  unsigned char v8[3];
  for (int i = 0; i < 3; i += 1) { v8[i] = v7[0] == linedge_levels3[i]; }
  unsigned char v9[1];
  v9[0] = v7[0] != v7[0];
  unsigned char v10[4];
  for (int i = 0; i < 3; i += 1) { v10[i] = v8[i]; }
  v10[3] = v9[0];
  double v11[4];
  for (int i = 0; i < 4; i += 1) { v11[i] = (double)v10[i]; }
  double v12[1];
  v12[0] = v11[0];
  for (int i = 1; i < 4; i += 1) { v12[0] = v12[0] + v11[i]; }
  double v13[4];
  for (int i = 0; i < 4; i += 1) { v13[i] = v11[i] / v12[0]; }
  unsigned char v14[1];
  v14[0] = v1[0];
  double v15[1];
  v15[0] = (double)v14[0];
  double v16[9];
  for (int i = 0; i < 2; i += 1) { v16[i] = v5[i]; }
  for (int i = 0; i < 2; i += 1) { v16[2 + i] = v6[i]; }
  for (int i = 0; i < 4; i += 1) { v16[4 + i] = v13[i]; }
  v16[8] = v15[0];
  double v17[2];
  for (int k = 0; k < 2; k += 1) {
    v17[k] = v16[0] * linedge_weight[k * 9];
    for (int i = 1; i < 9; i += 1) {
      const double p = v16[i] * linedge_weight[k * 9 + i];
      v17[k] = v17[k] + p;
    }
    v17[k] = v17[k] + linedge_bias[k];
  }
  float v18[2];
  for (int i = 0; i < 2; i += 1) { v18[i] = (float)v17[i]; }
  double v19[8];
  for (int k = 0; k < 8; k += 1) {
    v19[k] = v16[0] * linedge_factor[k * 9];
    for (int i = 1; i < 9; i += 1) {
      const double p = v16[i] * linedge_factor[k * 9 + i];
      v19[k] = v19[k] + p;
    }
    v19[k] = v19[k] + linedge_shift[k];
  }
  double v20[8];
  for (int i = 0; i < 8; i += 1) { v20[i] = v19[i] * v19[i]; }
  double v21[1];
  v21[0] = v20[0];
  for (int i = 1; i < 8; i += 1) { v21[0] = v21[0] + v20[i]; }
  double v22[1];
  v22[0] = v21[0] + linedge_constant[0];
  double v23[2];
  for (int i = 0; i < 2; i += 1) { v23[i] = v22[0] * linedge_square[i]; }
  double v24[2];
  for (int i = 0; i < 2; i += 1) { v24[i] = v23[i] + linedge_square[i]; }
  double v25[2];
  for (int i = 0; i < 2; i += 1) { v25[i] = sqrt(v24[i]); }
  double v26[2];
  for (int i = 0; i < 2; i += 1) { v26[i] = v17[i] - v25[i]; }
  float v27[2];
  for (int i = 0; i < 2; i += 1) { v27[i] = (float)v26[i]; }
  double v28[2];
  for (int i = 0; i < 2; i += 1) { v28[i] = v17[i] + v25[i]; }
  float v29[2];
  for (int i = 0; i < 2; i += 1) { v29[i] = (float)v28[i]; }
  float v30[2];
  v30[0] = x[0];
  v30[1] = x[1];
  unsigned char v31[2];
  for (int i = 0; i < 2; i += 1) { v31[i] = v30[i] != v30[i]; }
  float v32[2];
  for (int i = 0; i < 2; i += 1) { v32[i] = v31[i] ? linedge_low[i] : v30[i]; }
  float v33[2];
  for (int i = 0; i < 2; i += 1) { v33[i] = v32[i] - linedge_low[i]; }
  float v34[2];
  for (int i = 0; i < 2; i += 1) { v34[i] = sqrtf(v33[i]); }
  float v35[2];
  for (int i = 0; i < 2; i += 1) { v35[i] = linedge_high[i] - v32[i]; }
  float v36[2];
  for (int i = 0; i < 2; i += 1) { v36[i] = sqrtf(v35[i]); }
  float v37[2];
  for (int i = 0; i < 2; i += 1) { v37[i] = v34[i] + v36[i]; }
  double v38[1];
  v38[0] = v16[4];
  float v39[1];
  v39[0] = (float)v38[0];
  float v40[3];
  for (int i = 0; i < 2; i += 1) { v40[i] = v37[i]; }
  v40[2] = v39[0];
  float v41[1];
  v41[0] = v40[0];
  for (int i = 1; i < 3; i += 1) { v41[0] = v41[0] + v40[i]; }
  unsigned char v42[1];
  v42[0] = v41[0] == v41[0];
  float v43[1];
  v43[0] = (float)v22[0];
  for (int i = 0; i < 2; i += 1) { results.y[i] = v18[i]; }
  for (int i = 0; i < 2; i += 1) { results.y_lower[i] = v27[i]; }
  for (int i = 0; i < 2; i += 1) { results.y_upper[i] = v29[i]; }
  results.in_range = v42[0];
  results.leverage = v43[0];
  return results;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif
