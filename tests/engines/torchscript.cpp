// Runs a TorchScript file for every row on standard input: torchscript model.pt COLUMNS float32|float64.
#include <torch/script.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int, char **argv)
{
  torch::jit::Module model = torch::jit::load(argv[1]);
  const auto type = std::string(argv[3]) == "float64" ? torch::kFloat64 : torch::kFloat32;
  const torch::InferenceMode guard;
  torch::Tensor row = torch::empty({1, std::atol(argv[2])}, type);
  while (std::fread(row.data_ptr(), row.nbytes(), 1, stdin) == 1) {
    const torch::Tensor y = model.forward({row}).toTensor().contiguous();
    std::fwrite(y.data_ptr(), y.nbytes(), 1, stdout);
  }
  return 0;
}
