// A linear model, written by lr-export. Include it and call linedge_predict(x), which takes one row.
//
// Compile with -std=c99 -ffp-contract=off, and never with -ffast-math: the results are those of IEEE 754
// arithmetic, every operation rounded by itself. GCC, Clang and MSVC are told so below; others need their own option.
//
// x, float32, holds in this order
//   x[0]  "x"  1 to 3
// y, float32, holds in this order
//   y[0]  "y"
// y is within 1.07e-06 of the exact model anywhere in the ranges above (precision portable)
//
// linedge c contract
// |{"contract":1,"columns":[{"name":"x","minimum":1.0,"maximum":3.0}],"outputs":[{"name":"y","r2":0.999945298383923|
// |8,"residual_sd":0.02091919999927064}],"rows":3,"linedge":"0.1.0","precision":"portable","input_dtype":"float32",|
// |"bound":[1.069160197260356e-06],"input_rounding":[2.3674637361636997e-07],"equation":{"weight":[[1.9859725236892|
// |7]],"bias":[0.03188782557845116]},"golden_rows":[{"x":[2.0],"y":[4.003832817077637]},{"x":[1.5],"y":[3.010846614|
// |8376465]},{"x":[2.5],"y":[4.996819496154785]}]}|
#ifndef linedge_MODEL_H
#define linedge_MODEL_H
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

static const float linedge_weight[1] /* (1, 1) */ = {0x1.fc68b2p+0f};
static const float linedge_bias[1] /* (1) */ = {0x1.05399ep-5f};

typedef struct {
  float y[1];
} linedge_results;

static inline linedge_results linedge_predict(const float x[1])
{
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
  linedge_results results;
  float v0[1];
  for (int k = 0; k < 1; k += 1) {
    v0[k] = x[0] * linedge_weight[k * 1];
    v0[k] = v0[k] + linedge_bias[k];
  }
  results.y[0] = v0[0];
  return results;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif
