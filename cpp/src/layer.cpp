#include "ntkcore/layer.hpp"

#include <algorithm>
#include <stdexcept>

#include "layers/ab_relu.hpp"
#include "layers/erf.hpp"
#include "layers/expanded.hpp"
#include "layers/exponential.hpp"
#include "layers/gaussian.hpp"
#include "layers/mehler.hpp"
#include "layers/piecewise_linear.hpp"
#include "layers/rectified_monomial.hpp"
#include "layers/sinusoid.hpp"
#include "layers/step.hpp"

namespace ntkcore {

namespace {

struct Named {
    const char* name;
    Family family;
};
constexpr Named kNames[] = {
    {"ab_relu", Family::ab_relu},
    {"exponential", Family::exponential},
    {"rbf", Family::rbf},
    {"erf", Family::erf},
    {"gelu", Family::gelu},
    {"mehler", Family::mehler},
    {"hermite", Family::hermite},
    {"sinusoid", Family::sinusoid},
    {"rectified_monomial", Family::rectified_monomial},
    {"step", Family::step},
    {"gaussian", Family::gaussian},
    {"expanded", Family::expanded},
    {"piecewise_linear", Family::piecewise_linear},
};

}  // namespace

Family family(const std::string& name) {
    for (const Named& entry : kNames) {
        if (name == entry.name) return entry.family;
    }
    throw std::invalid_argument("unknown family of activations: " + name);
}

const char* name(Family family) {
    for (const Named& entry : kNames) {
        if (family == entry.family) return entry.name;
    }
    return "unknown";
}

bool homogeneous(const Activation& activation) {
    switch (activation.family) {
        case Family::ab_relu:
        case Family::rectified_monomial:
        case Family::step:
            return true;
        case Family::mehler:  // a monomial
            return std::count_if(activation.parameters.begin(), activation.parameters.end(),
                                 [](double c) { return c != 0.0; }) <= 1;
        default:
            return false;
    }
}

template <class T>
std::unique_ptr<Layer<T>> Layer<T>::make(const Activation& activation) {
    switch (activation.family) {
        case Family::ab_relu:
            return std::make_unique<AbReluLayer<T>>(activation.parameters);
        case Family::exponential:
            return std::make_unique<ExpLayer<T>>(activation.parameters);
        case Family::rbf:
            return std::make_unique<RbfLayer<T>>(activation.parameters);
        case Family::erf:
            return std::make_unique<ErfLayer<T>>(activation.parameters);
        case Family::gelu:
            return std::make_unique<GeluLayer<T>>();
        case Family::mehler:
            return std::make_unique<PolynomialLayer<T>>(activation.parameters);
        case Family::hermite:
            return std::make_unique<HermiteLayer<T>>(activation.parameters);
        case Family::sinusoid:
            return std::make_unique<SinusoidLayer<T>>(activation.parameters);
        case Family::rectified_monomial:
            return std::make_unique<RectifiedMonomialLayer<T>>(activation.parameters);
        case Family::step:
            return std::make_unique<StepLayer<T>>(activation.parameters);
        case Family::gaussian:
            return std::make_unique<GaussianLayer<T>>(activation.parameters);
        case Family::expanded:
            return std::make_unique<ExpandedLayer<T>>(activation.expandable);
        case Family::piecewise_linear:
            return std::make_unique<PiecewiseLinearLayer<T>>(activation.parameters);
    }
    throw std::invalid_argument("unknown family of activations");
}

template class Layer<float>;
template class Layer<double>;

}  // namespace ntkcore
