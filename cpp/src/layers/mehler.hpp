// Polynomials, by their Hermite coefficients a_k(q) = E[σ(√q z) h_k(z)], h_k the normalised Hermite polynomials; and
// the polynomials h_n themselves, whose coefficients cancel in powers of x but not here. See tile/mehler.hpp.
#pragma once

#include <cstddef>
#include <vector>

#include "ntkcore/layer.hpp"

namespace ntkcore {

template <class T>
class MehlerLayer : public Layer<T> {
   public:
    [[nodiscard]] Family family() const final { return Family::mehler; }
    [[nodiscard]] std::size_t tables() const final { return degree_ + 1; }
    [[nodiscard]] std::vector<T> constants() const final { return {static_cast<T>(degree_ + 1)}; }
    [[nodiscard]] bool admits(Scaled q) const final;
    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const final;

   protected:
    explicit MehlerLayer(std::size_t degree) : degree_(degree) {}
    // The coefficients of σ up to a common factor, into a[0 … degree]; the factor is returned.
    virtual Scaled expand(Scaled q, long double* a) const = 0;
    // The same of σ̇, into a[0 … degree − 1].
    virtual Scaled expand_slope(Scaled q, long double* a) const = 0;

   private:
    std::size_t degree_;
};

// Σ c_n x^n; parameters c_0 … c_d.
template <class T>
class PolynomialLayer final : public MehlerLayer<T> {
   public:
    explicit PolynomialLayer(const std::vector<double>& coefficients);

   private:
    Scaled expand(Scaled q, long double* a) const override;
    Scaled expand_slope(Scaled q, long double* a) const override;
    std::vector<double> coefficients_, slope_;
};

// He_n(x)/√n!; parameter n.
template <class T>
class HermiteLayer final : public MehlerLayer<T> {
   public:
    explicit HermiteLayer(const std::vector<double>& parameters);

   private:
    Scaled expand(Scaled q, long double* a) const override;
    Scaled expand_slope(Scaled q, long double* a) const override;
    std::size_t n_;
};

}  // namespace ntkcore
