// Activations σ and their slopes σ', a block at a time. At a kink the slope is what PyTorch takes.
#pragma once

#include "functions.hpp"
#include "products.hpp"

namespace ntkcore::dense::NTKCORE_ISA {
namespace {

// Every one is made from the parameters of Pointwise, and has the members value and slope.

template <class T>
struct AbRelu {
    explicit AbRelu(const Block<T>& call)
        : a(T(call.parameters[0])), b(T(call.parameters[1])), middle(a == -b ? T(0) : a) {}
    Vec<T> value(Vec<T> x) const { return x * (x > Vec<T>{} ? splat(b) : splat(a)); }
    Vec<T> slope(Vec<T> x) const { return x > Vec<T>{} ? splat(b) : (x == Vec<T>{} ? splat(middle) : splat(a)); }
    T a, b, middle;
};

template <class T>
struct Exponential {
    explicit Exponential(const Block<T>& call) : a(T(call.parameters[0])), b(T(call.parameters[1])) {}
    Vec<T> value(Vec<T> x) const { return a * exponential_of<T>(b * x).value; }
    Vec<T> slope(Vec<T> x) const { return b * value(x); }
    T a, b;
};

template <class T>
struct Gaussian {
    explicit Gaussian(const Block<T>& call) : a(T(call.parameters[0])), b(T(call.parameters[1])) {}
    Vec<T> value(Vec<T> x) const { return a * exponential_of<T>(b * x * x).value; }
    Vec<T> slope(Vec<T> x) const { return (2 * b) * x * value(x); }
    T a, b;
};

inline Vec<float> sine(Vec<float> x) {
    for (std::size_t l = 0; l < kLanes<float>; ++l) x[l] = __builtin_sinf(x[l]);
    return x;
}
inline Vec<double> sine(Vec<double> x) {
    for (std::size_t l = 0; l < kLanes<double>; ++l) x[l] = __builtin_sin(x[l]);
    return x;
}
inline Vec<float> cosine(Vec<float> x) {
    for (std::size_t l = 0; l < kLanes<float>; ++l) x[l] = __builtin_cosf(x[l]);
    return x;
}
inline Vec<double> cosine(Vec<double> x) {
    for (std::size_t l = 0; l < kLanes<double>; ++l) x[l] = __builtin_cos(x[l]);
    return x;
}
template <class T>
struct Sinusoid {
    explicit Sinusoid(const Block<T>& call)
        : b(T(call.parameters[1])),
          odd(T(call.parameters[0] * call.parameters[2])),
          even(T(call.parameters[0] * call.parameters[3])) {}
    Vec<T> sum(Vec<T> x, T s, T c) const {
        Vec<T> y{};
        if (s != 0) y = s * sine(x);
        if (c != 0) y = y + c * cosine(x);
        return y;
    }
    Vec<T> value(Vec<T> x) const { return sum(b * x, odd, even); }
    Vec<T> slope(Vec<T> x) const { return sum(b * x, -b * even, b * odd); }
    T b, odd, even;
};

template <class T>
struct Erf {
    explicit Erf(const Block<T>& call) : a(T(call.parameters[0])), b(T(call.parameters[1])), c(T(call.parameters[2])) {}
    Vec<T> value(Vec<T> x) const { return a * erf_of<T>(b * x) + c; }
    Vec<T> slope(Vec<T> x) const { return (a * b * T(1.1283791670955125739)) * gaussian_of<T>(b * x, T(1)); }
    T a, b, c;
};

template <class T>
struct Gelu {
    explicit Gelu(const Block<T>&) {}
    static Vec<T> below(Vec<T> x, Vec<T> gaussian) {  // Φ(x)
        const Vec<T> tail = T(0.5) * gaussian * scaled_erfc<T>(abs<T>(x) * T(0.70710678118654752440));
        return x > Vec<T>{} ? 1 - tail : tail;
    }
    Vec<T> value(Vec<T> x) const { return x * below(x, gaussian_of<T>(x, T(0.5))); }
    Vec<T> slope(Vec<T> x) const {
        const Vec<T> gaussian = gaussian_of<T>(x, T(0.5));
        return below(x, gaussian) + x * (gaussian * T(0.39894228040143267794));
    }
};

template <class T>
struct Polynomial {
    explicit Polynomial(const Block<T>& call) : c(call.parameters), n(call.n_parameters) {}
    Vec<T> value(Vec<T> x) const {
        Vec<T> y{};
        for (std::size_t k = n; k-- > 0;) y = y * x + T(c[k]);
        return y;
    }
    Vec<T> slope(Vec<T> x) const {
        Vec<T> y{};
        for (std::size_t k = n; k-- > 1;) y = y * x + T(c[k] * static_cast<double>(k));
        return y;
    }
    const double* c;
    std::size_t n;
};

// Parameters: √k and 1/√(k+1) for k = 0 … n−1.
template <class T>
struct Hermite {
    explicit Hermite(const Block<T>& call) : c(call.parameters), n(call.n_parameters / 2) {}
    Vec<T> of_degree(std::size_t degree, Vec<T> x) const {
        Vec<T> previous{};
        Vec<T> current = splat(T(1));
        for (std::size_t k = 0; k < degree; ++k) {
            const Vec<T> next = (x * current - T(c[2 * k]) * previous) * T(c[2 * k + 1]);
            previous = current;
            current = next;
        }
        return current;
    }
    Vec<T> value(Vec<T> x) const { return of_degree(n, x); }
    Vec<T> slope(Vec<T> x) const { return n == 0 ? Vec<T>{} : T(1.0 / c[2 * n - 1]) * of_degree(n - 1, x); }
    const double* c;
    std::size_t n;
};

template <class T>
struct Power {
    explicit Power(const Block<T>& call) : exponent(static_cast<unsigned>(call.parameters[0])) {}
    static Vec<T> raised(Vec<T> x, unsigned k) {
        Vec<T> y = splat(T(1));
        for (; k > 0; k >>= 1U, x = x * x) {
            if ((k & 1U) != 0) y = y * x;
        }
        return y;
    }
    Vec<T> value(Vec<T> x) const { return x > Vec<T>{} ? raised(x, exponent) : Vec<T>{} * x; }
    Vec<T> slope(Vec<T> x) const { return x > Vec<T>{} ? T(exponent) * raised(x, exponent - 1) : Vec<T>{} * x; }
    unsigned exponent;
};

// e = e^{−|x|}
template <class T>
inline Vec<T> decayed(Vec<T> x) {
    return exponential_of<T>(-abs<T>(x)).value;
}
template <class T>
inline Vec<T> square(Vec<T> x) {
    return x * x;
}

template <class T>
struct Tanh {
    explicit Tanh(const Block<T>&) {}
    Vec<T> value(Vec<T> x) const {
        const Exp<T> e = exponential_of<T>(-2 * abs<T>(x));
        return flip<T>(abs<T>(e.minus_one) / (1 + e.value), sign_bits<T>(x));
    }
    Vec<T> slope(Vec<T> x) const {
        const Vec<T> e = exponential_of<T>(-2 * abs<T>(x)).value;
        return 4 * e / square<T>(1 + e);
    }
};

template <class T>
inline Vec<T> sigmoid_of(Vec<T> x) {
    const Vec<T> e = decayed<T>(x);
    return (x > Vec<T>{} ? splat(T(1)) : e) / (1 + e);
}
template <class T>
inline Vec<T> sigmoid_slope(Vec<T> x) {
    const Vec<T> e = decayed<T>(x);
    return e / square<T>(1 + e);
}
template <class T>
struct Sigmoid {
    explicit Sigmoid(const Block<T>&) {}
    Vec<T> value(Vec<T> x) const { return sigmoid_of<T>(x); }
    Vec<T> slope(Vec<T> x) const { return sigmoid_slope<T>(x); }
};

template <class T>
struct Softplus {
    explicit Softplus(const Block<T>&) {}
    Vec<T> value(Vec<T> x) const {
        const Vec<T> positive = x < Vec<T>{} ? Vec<T>{} : x;
        return positive + log_one_plus<T>(decayed<T>(x));
    }
    Vec<T> slope(Vec<T> x) const { return sigmoid_of<T>(x); }
};

template <class T>
struct Silu {
    explicit Silu(const Block<T>&) {}
    Vec<T> value(Vec<T> x) const { return x * sigmoid_of<T>(x); }
    Vec<T> slope(Vec<T> x) const { return sigmoid_of<T>(x) + x * sigmoid_slope<T>(x); }
};

// tanh ln(1 + e^x) = ((1 + e^x)² − 1)/((1 + e^x)² + 1)
template <class T>
struct Mish {
    explicit Mish(const Block<T>&) {}
    static Vec<T> gate(Vec<T> x, Vec<T> e) {
        const Vec<T> small = e * (2 + e);
        const Vec<T> above = 1 + 2 * e;
        return x > Vec<T>{} ? above / (above + 2 * e * e) : small / (small + 2);
    }
    Vec<T> value(Vec<T> x) const { return x * gate(x, decayed<T>(x)); }
    Vec<T> slope(Vec<T> x) const {
        const Vec<T> e = decayed<T>(x);
        const Vec<T> w = square<T>(1 + e);
        const Vec<T> gate_slope =  // (1 − tanh²) sigmoid
            x > Vec<T>{} ? 4 * w * e * e / (square<T>(w + e * e) * (1 + e)) : 4 * w * e / (square<T>(w + 1) * (1 + e));
        return gate(x, e) + x * gate_slope;
    }
};

template <class T>
struct GeluTanh {
    static constexpr T kScale = T(1.5957691216057307118);  // 2√(2/π)
    explicit GeluTanh(const Block<T>&) {}
    static Vec<T> clipped(Vec<T> x) {  // beyond, the gate is 0 or 1
        const Vec<T> y = maximum<T>(minimum<T>(x, splat(T(40))), splat(T(-40)));
        return x == x ? y : x;
    }
    static Vec<T> exponent(Vec<T> y) { return kScale * y * (1 + T(0.044715) * y * y); }
    Vec<T> value(Vec<T> x) const { return x * sigmoid_of<T>(exponent(clipped(x))); }
    Vec<T> slope(Vec<T> x) const {
        const Vec<T> y = clipped(x);
        const Vec<T> z = exponent(y);
        return sigmoid_of<T>(z) + x * (sigmoid_slope<T>(z) * (kScale * (1 + T(3 * 0.044715) * y * y)));
    }
};

template <class T>
struct Elu {
    explicit Elu(const Block<T>& call)
        : scale(T(call.parameters[0])),
          below(T(call.parameters[0] * call.parameters[1])),
          below_slope(T(call.parameters[0] * call.parameters[1] / call.parameters[2])),
          inverse_width(T(1 / call.parameters[2])) {}
    Vec<T> negative_part(Vec<T> x) const { return (x > Vec<T>{} ? Vec<T>{} : x) * inverse_width; }
    Vec<T> value(Vec<T> x) const {
        return x > Vec<T>{} ? scale * x : below * exponential_of<T>(negative_part(x)).minus_one;
    }
    Vec<T> slope(Vec<T> x) const {
        return x > Vec<T>{} ? splat(scale) : below_slope * exponential_of<T>(negative_part(x)).value;
    }
    T scale, below, below_slope, inverse_width;
};

template <class T>
struct Clip {
    explicit Clip(const Block<T>& call)
        : low(T(call.parameters[0])), high(T(call.parameters[1])), c(T(call.parameters[2])), d(T(call.parameters[3])) {}
    Vec<T> value(Vec<T> x) const {
        const Vec<T> y = c * x + d;
        return y < splat(low) ? splat(low) : (y > splat(high) ? splat(high) : y);
    }
    Vec<T> slope(Vec<T> x) const {
        const Vec<T> left = splat((low - d) / c);
        const Vec<T> right = splat((high - d) / c);
        return x > left ? (x < right ? splat(c) : Vec<T>{}) : Vec<T>{};
    }
    T low, high, c, d;
};

template <class T>
struct Softsign {
    explicit Softsign(const Block<T>&) {}
    Vec<T> value(Vec<T> x) const { return x / (1 + abs<T>(x)); }
    Vec<T> slope(Vec<T> x) const { return 1 / square<T>(1 + abs<T>(x)); }
};

// --- over blocks ---

template <class T, template <class> class F>
void value_of(const Block<T>& call) {
    constexpr std::size_t L = kLanes<T>;
    const F<T> f(call);
    for (std::size_t i = 0; i < call.rows; ++i) {
        const T* x = call.x + i * call.ldx;
        T* out = call.out + i * call.ldout;
        std::size_t j = 0;
        for (; j + L <= call.cols; j += L) store(out + j, f.value(load(x + j)));
        if (j < call.cols) store_part(out + j, f.value(load_part(x + j, call.cols - j)), call.cols - j);
    }
}

template <class T, template <class> class F>
void slope_of(const Block<T>& call) {
    constexpr std::size_t L = kLanes<T>;
    const F<T> f(call);
    for (std::size_t i = 0; i < call.rows; ++i) {
        const T* x = call.x + i * call.ldx;
        T* out = call.out + i * call.ldout;
        std::size_t j = 0;
        for (; j + L <= call.cols; j += L) store(out + j, call.factor * load(out + j) * f.slope(load(x + j)));
        if (j < call.cols) {
            const std::size_t rest = call.cols - j;
            store_part(out + j, call.factor * load_part(out + j, rest) * f.slope(load_part(x + j, rest)), rest);
        }
    }
}

}  // namespace
}  // namespace ntkcore::dense::NTKCORE_ISA
