#include "ntkcore/layer.hpp"

#include <stdexcept>

#include "layers/ab_relu.hpp"

namespace ntkcore {

Family family(const std::string& name) {
    if (name == "ab_relu") return Family::ab_relu;
    throw std::invalid_argument("unknown family of activations: " + name);
}

template <class T>
std::unique_ptr<Layer<T>> Layer<T>::make(const Activation& activation) {
    switch (activation.family) {
        case Family::ab_relu:
            return std::make_unique<AbReluLayer<T>>(activation.parameters);
    }
    throw std::invalid_argument("unknown family of activations");
}

template class Layer<float>;
template class Layer<double>;

}  // namespace ntkcore
