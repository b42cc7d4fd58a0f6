#include "layers/exponential.hpp"

#include <algorithm>
#include <cmath>

#include "layers/special.hpp"
#include "tile/tables.hpp"

namespace ntkcore {

using namespace tile;

template <class T>
std::size_t ExponentialLayer<T>::tables() const {
    return sizeof(T) == sizeof(float) ? kExponentialLow + 1 : kExponentialQ + 1;
}

template <class T>
void ExponentialLayer<T>::tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* of) const {
    for (std::size_t i = 0; i < n; ++i) {
        of[i] = moments(q[i]);
        if (tables == nullptr) continue;
        const double exact = std::min((scale_ * sqrt(q[i])).value(), kLargestRoot<T>);
        const T rounded = static_cast<T>(exact);
        tables[kExponentialQ * stride + i] = rounded;
        if constexpr (sizeof(T) == sizeof(float)) {
            tables[kExponentialLow * stride + i] = static_cast<T>(exact - static_cast<double>(rounded));
        }
    }
}

template <class T>
ExpLayer<T>::ExpLayer(const std::vector<double>& parameters)
    : ExponentialLayer<T>(std::fabs(parameters.at(1))), a_(parameters.at(0)), b_(parameters.at(1)) {}

// E[σ²] = a² e^{2b²q} has to fit even an exponent of its own.
template <class T>
bool ExpLayer<T>::admits(Scaled q) const {
    return (square(b_) * q).value() < kLargestExponent;
}

template <class T>
Moments ExpLayer<T>::moments(Scaled q) const {
    const double bbq = (square(b_) * q).value();
    const Scaled e = square(a_) * exponential(2.0 * bbq);
    Moments moments{e, square(b_) * e, finite(a_ * b_ * exponential(0.5 * bbq).value())};
    moments.curvature = bbq * bbq;  // σ̈ = b²σ
    return moments;
}

template <class T>
RbfLayer<T>::RbfLayer(const std::vector<double>& parameters)
    : ExponentialLayer<T>(std::sqrt(2.0 * parameters.at(0))), gamma_(parameters.at(0)) {}

template <class T>
Moments RbfLayer<T>::moments(Scaled q) const {
    const double mean = std::sqrt(2.0 * gamma_) * std::exp(-(gamma_ * q).value());
    Moments moments{Scaled(1.0), Scaled(2.0 * gamma_), mean};
    const double twice = (2.0 * gamma_ * q).value();
    moments.curvature = finite(twice * twice);  // σ̈ = −2γσ
    return moments;
}

template class ExpLayer<float>;
template class ExpLayer<double>;
template class RbfLayer<float>;
template class RbfLayer<double>;

}  // namespace ntkcore
