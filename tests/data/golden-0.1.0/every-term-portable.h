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
// y is within 5.12e-06, 1.4e-06 of the exact model anywhere in the ranges above (precision portable)
//
// linedge c contract
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

static const float linedge_origin[2] /* (2) */ = {0x1.3b088p+4f, 0x1.0f3c34p-1f};
static const float linedge_inverse_scale[2] /* (2) */ = {0x1p-2f, 0x1p+2f};
static const float linedge_fill[2] /* (2) */ = {-0x1.6f6d2p-26f, 0x1.54411cp-27f};
static const float linedge_levels3[3] /* (3) */ = {0x0p+0f, 0x1p+0f, 0x1p+1f};
static const float linedge_weight[18] /* (2, 9) */ = {
  0x1.faec8ap-1f, -0x1.6a9692p-1f, 0x1.f299ccp-4f, -0x1.54148cp-5f,
  0x0p+0f, 0x1.113826p-3f, 0x1.0e484p-1f, 0x1.401a3p-2f,
  0x1.b89c3cp-2f, -0x1.7c2e02p-15f, 0x1.b87c92p-2f, 0x1.1f73f2p-15f,
  0x1.b9ab58p-5f, 0x0p+0f, -0x1.a0e69ap-18f, -0x1.ffb5b8p-13f,
  -0x1.943eb6p-15f, -0x1.1e2c7ep-11f
};
static const float linedge_bias[2] /* (2) */ = {0x1.32d176p+2f, 0x1.b2e342p+0f};
static const float linedge_factor[72] /* (8, 9) */ = {
  0x1.2f32fep-3f, 0x0p+0f, 0x0p+0f, 0x0p+0f,
  0x0p+0f, 0x0p+0f, 0x0p+0f, 0x0p+0f,
  0x0p+0f, 0x1.944048p-6f, 0x0p+0f, 0x1.27ea5cp-3f,
  0x0p+0f, 0x0p+0f, 0x0p+0f, 0x0p+0f,
  0x0p+0f, 0x0p+0f, 0x1.b7bc9cp-8f, 0x0p+0f,
  0x1.41e42cp-5f, 0x0p+0f, 0x0p+0f, 0x0p+0f,
  0x0p+0f, 0x0p+0f, 0x1.777b04p-2f, -0x1.4e73fp-6f,
  0x1.1a1bd4p-3f, 0x1.6763bap-6f, 0x0p+0f, 0x0p+0f,
  0x0p+0f, 0x0p+0f, 0x0p+0f, -0x1.241a58p-5f,
  0x1.ee829ep-9f, -0x1.10567p-5f, -0x1.9d3f66p-7f, 0x1.80eaep-3f,
  0x0p+0f, 0x0p+0f, 0x0p+0f, 0x0p+0f,
  0x1.bf53b2p-6f, 0x1.ef8e7cp-11f, -0x1.12be8p-7f, 0x1.3620f6p-6f,
  0x1.a39c5p-6f, 0x0p+0f, 0x1.f4a7ep-3f, 0x0p+0f,
  0x0p+0f, -0x1.557676p-5f, -0x1.5b40a4p-8f, -0x1.3c7918p-5f,
  -0x1.ca5bdp-9f, 0x1.886f62p-6f, 0x0p+0f, 0x1.1ccd5p-3f,
  0x1.2689a2p-2f, 0x0p+0f, 0x1.771c88p-5f, 0x1.a879a6p-6f,
  0x1.22a9fep-6f, 0x1.1c66d2p-6f, 0x1.cb86f6p-8f, 0x0p+0f,
  0x1.f0609p-4f, 0x1.c9031ep-4f, 0x1.b9050ap-2f, -0x1.152086p-8f
};
static const float linedge_shift[8] /* (8) */ = {
  0x1.b32b5ap-29f, -0x1.518784p-4f, -0x1.04c17ap-4f, -0x1.167bcp-7f,
  -0x1.0657a2p-3f, -0x1.b4bffep-4f, -0x1.412e56p-3f, -0x1.10c744p-3f
};
static const float linedge_constant[1] /* (1) */ = {0x1.99999ap-7f};
static const float linedge_square[2] /* (2) */ = {0x1.3e25ecp-1f, 0x1.0223bep-16f};
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
  float v2[2];
  for (int i = 0; i < 2; i += 1) { v2[i] = v0[i] - linedge_origin[i]; }
  float v3[2];
  for (int i = 0; i < 2; i += 1) { v3[i] = v2[i] * linedge_inverse_scale[i]; }
  float v4[2];
  for (int i = 0; i < 2; i += 1) { v4[i] = v1[i] ? linedge_fill[i] : v3[i]; }
  float v5[2];
  for (int i = 0; i < 2; i += 1) { v5[i] = v4[i] * v4[i]; }
  float v6[1];
  v6[0] = x[2];
  unsigned char v7[3];
  for (int i = 0; i < 3; i += 1) { v7[i] = v6[0] == linedge_levels3[i]; }
  unsigned char v8[1];
  v8[0] = v6[0] != v6[0];
  unsigned char v9[4];
  for (int i = 0; i < 3; i += 1) { v9[i] = v7[i]; }
  v9[3] = v8[0];
  float v10[4];
  for (int i = 0; i < 4; i += 1) { v10[i] = (float)v9[i]; }
  float v11[1];
  v11[0] = v10[0];
  for (int i = 1; i < 4; i += 1) { v11[0] = v11[0] + v10[i]; }
  float v12[4];
  for (int i = 0; i < 4; i += 1) { v12[i] = v10[i] / v11[0]; }
  unsigned char v13[1];
  v13[0] = v1[0];
  float v14[1];
  v14[0] = (float)v13[0];
  float v15[9];
  for (int i = 0; i < 2; i += 1) { v15[i] = v4[i]; }
  for (int i = 0; i < 2; i += 1) { v15[2 + i] = v5[i]; }
  for (int i = 0; i < 4; i += 1) { v15[4 + i] = v12[i]; }
  v15[8] = v14[0];
  float v16[2];
  for (int k = 0; k < 2; k += 1) {
    v16[k] = v15[0] * linedge_weight[k * 9];
    for (int i = 1; i < 9; i += 1) {
      const float p = v15[i] * linedge_weight[k * 9 + i];
      v16[k] = v16[k] + p;
    }
    v16[k] = v16[k] + linedge_bias[k];
  }
  float v17[8];
  for (int k = 0; k < 8; k += 1) {
    v17[k] = v15[0] * linedge_factor[k * 9];
    for (int i = 1; i < 9; i += 1) {
      const float p = v15[i] * linedge_factor[k * 9 + i];
      v17[k] = v17[k] + p;
    }
    v17[k] = v17[k] + linedge_shift[k];
  }
  float v18[8];
  for (int i = 0; i < 8; i += 1) { v18[i] = v17[i] * v17[i]; }
  float v19[1];
  v19[0] = v18[0];
  for (int i = 1; i < 8; i += 1) { v19[0] = v19[0] + v18[i]; }
  float v20[1];
  v20[0] = v19[0] + linedge_constant[0];
  float v21[2];
  for (int i = 0; i < 2; i += 1) { v21[i] = v20[0] * linedge_square[i]; }
  float v22[2];
  for (int i = 0; i < 2; i += 1) { v22[i] = v21[i] + linedge_square[i]; }
  float v23[2];
  for (int i = 0; i < 2; i += 1) { v23[i] = sqrtf(v22[i]); }
  float v24[2];
  for (int i = 0; i < 2; i += 1) { v24[i] = v16[i] - v23[i]; }
  float v25[2];
  for (int i = 0; i < 2; i += 1) { v25[i] = v16[i] + v23[i]; }
  float v26[2];
  v26[0] = x[0];
  v26[1] = x[1];
  unsigned char v27[2];
  for (int i = 0; i < 2; i += 1) { v27[i] = v26[i] != v26[i]; }
  float v28[2];
  for (int i = 0; i < 2; i += 1) { v28[i] = v27[i] ? linedge_low[i] : v26[i]; }
  float v29[2];
  for (int i = 0; i < 2; i += 1) { v29[i] = v28[i] - linedge_low[i]; }
  float v30[2];
  for (int i = 0; i < 2; i += 1) { v30[i] = sqrtf(v29[i]); }
  float v31[2];
  for (int i = 0; i < 2; i += 1) { v31[i] = linedge_high[i] - v28[i]; }
  float v32[2];
  for (int i = 0; i < 2; i += 1) { v32[i] = sqrtf(v31[i]); }
  float v33[2];
  for (int i = 0; i < 2; i += 1) { v33[i] = v30[i] + v32[i]; }
  float v34[1];
  v34[0] = v15[4];
  float v35[3];
  for (int i = 0; i < 2; i += 1) { v35[i] = v33[i]; }
  v35[2] = v34[0];
  float v36[1];
  v36[0] = v35[0];
  for (int i = 1; i < 3; i += 1) { v36[0] = v36[0] + v35[i]; }
  unsigned char v37[1];
  v37[0] = v36[0] == v36[0];
  for (int i = 0; i < 2; i += 1) { results.y[i] = v16[i]; }
  for (int i = 0; i < 2; i += 1) { results.y_lower[i] = v24[i]; }
  for (int i = 0; i < 2; i += 1) { results.y_upper[i] = v25[i]; }
  results.in_range = v37[0];
  results.leverage = v20[0];
  return results;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif
