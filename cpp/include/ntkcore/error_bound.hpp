// Upper bounds of the errors of kernels whose activations are expanded and truncated.
//
// With hats for truncated quantities, ρ the exact correlation of a pair, η ≥ |ρ̂ − ρ|, and for one layer α_k =
// a_k/√E[σ²], τ = Σ_{k≥K} α_k², τ̇ = Σ_{k≥K} k α_k², χ = Σ k α_k², S = Σ_{k<K} k(k−1) α̂_k², the coefficients α̂ =
// α/√(1−τ) of the truncated dual being scaled to Σ α̂² = 1, the triangle and Cauchy–Schwarz inequalities give for the
// dual C and its slope D
//   |Ĉ(ρ̂) − C(ρ)| ≤ √(χχ')/(1−τ) η + (1 − (1−τ)) + τ
//   |D̂(ρ̂) − D(ρ)| ≤ √(SS') η + √(χχ') τ/(1−τ) + √(τ̇τ̇')      (τ, where it stands alone, the larger of the two)
// and for ρ⁺ = r_i r_j C + s_i s_j and T⁺ = r_i r_j D T + ρ⁺, T = Θ/√(qq'), with |T_ij| ≤ √(T_ii T_jj), bounds of
//   η = max |ρ̂ − ρ|,   ζ = max |T̂_ij − T_ij|/√(T_ii T_jj),   and  |D̂ − D|/√(χχ'),
// in which every factor √(x_i x_j) is replaced by the largest x_i.
//
// Closed forms are not truncated: of them |D(ρ̂) − D(ρ)| ≤ √(SS') η with S = Σ k(k−1) α_k² = q² E[σ̈²]/E[σ²] if σ is
// smooth. If it is piecewise linear with jumps c_b of its slope, |∂D/∂θ| ≤ √(χχ') BB'/2π with B = Σ |c_b| e^{−b²/4q}/
// √E[σ̇²]; and D of an expansion on a lattice has a part of |∂D/∂θ| ≤ `kink`, that of |z|.
//
// ω ≥ |θ̂ − θ|, θ = arccos ρ: ω ≤ π√(η/2), and a layer takes ω to r√χ ω + (its own error), since the unit vector
// (r σ(√q z·x̂)/√E[σ²], s), whose angles are those behind the layer, moves by r√χ dθ at most when x̂ turns by dθ.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace ntkcore {

// Of |K̂_ij − K_ij|/√(K_ii K_jj), for each of the kernels of a level.
struct ErrorBound {
    double sigma = 0.0;
    double sigma_dot = 0.0;
    double theta = 0.0;
};

// The largest, over all samples, of what the bounds above need of one hidden layer and the affine map behind it.
struct Sensitivity {
    bool expanded = false;
    double tail = 0.0;           // τ
    double share = 0.0;          // r²
    double gain = 0.0;           // r² χ
    double theta_gain = 0.0;     // r² χ T/T⁺
    double theta_tail = 0.0;     // r² τ̇ T/T⁺
    double theta_curve = 0.0;    // r² S T/T⁺
    double slope_tail = 0.0;     // τ̇/χ
    double slope_curve = 0.0;    // S/χ
    double inverse_theta = 0.0;  // 1/T⁺
    double bend = 0.0;           // B
    double angle = 0.0;          // of θ behind the layer
    double kink = 0.0;           // of D, per change of θ

    void include(const Sensitivity& other) {
        expanded = expanded || other.expanded;
        tail = std::max(tail, other.tail);
        share = std::max(share, other.share);
        gain = std::max(gain, other.gain);
        theta_gain = std::max(theta_gain, other.theta_gain);
        theta_tail = std::max(theta_tail, other.theta_tail);
        theta_curve = std::max(theta_curve, other.theta_curve);
        slope_tail = std::max(slope_tail, other.slope_tail);
        slope_curve = std::max(slope_curve, other.slope_curve);
        inverse_theta = std::max(inverse_theta, other.inverse_theta);
        bend = std::max(bend, other.bend);
        angle = std::max(angle, other.angle);
        kink = std::max(kink, other.kink);
    }
};

// Bounds at depth 1, 2, …, for arithmetic with rounding errors ε.
[[nodiscard]] inline std::vector<ErrorBound> error_bounds(const std::vector<Sensitivity>& layers, double epsilon) {
    double eta = 8 * epsilon;
    double omega = 16 * epsilon;
    double zeta = eta;
    std::vector<ErrorBound> bounds = {{eta, 0.0, zeta}};
    const bool any = std::any_of(layers.begin(), layers.end(), [](const Sensitivity& s) { return s.expanded; });
    for (std::size_t m = 0; m < layers.size(); ++m) {
        const Sensitivity& s = layers[m];
        if (!any) {  // closed forms throughout: rounding errors alone, which the engine keeps from multiplying
            const double floor = (64 + 2 * static_cast<double>(m)) * epsilon;
            bounds.push_back({floor, floor, floor});
            continue;
        }
        const double scale = 1.0 / (1.0 - std::min(s.tail, 0.999));
        const double slope_noise = 16 * epsilon;
        double change, theta_change;  // of D, relative to √(χχ'); and its effect on T⁺
        if (s.expanded) {
            const double kinked = s.kink * omega;
            change = s.slope_curve * eta + s.tail * scale + s.slope_tail + kinked + slope_noise;
            theta_change = s.theta_curve * eta + s.theta_gain * (s.tail * scale + kinked + slope_noise) + s.theta_tail;
        } else {
            const double kinked = s.bend * s.bend / (2 * std::numbers::pi) * omega;
            change = std::min({2.0, s.slope_curve * eta + slope_noise, kinked + slope_noise});
            theta_change = std::min(s.theta_curve * eta + s.theta_gain * slope_noise, s.theta_gain * change);
        }
        const double dual = s.gain * scale * eta + s.share * 2 * s.tail;
        eta = std::min(2.0, dual + 16 * epsilon * (1 + s.gain));
        omega = std::sqrt(s.gain) * omega + s.angle + 16 * epsilon * (1 + std::sqrt(s.gain));
        omega = std::min(omega, std::numbers::pi * std::sqrt(eta / 2));
        zeta = s.theta_gain * scale * zeta + theta_change + eta * s.inverse_theta + 16 * epsilon;
        zeta = std::min(zeta, 2.0 + 16 * epsilon);
        bounds.push_back({eta, std::min(2.0, change), zeta});
    }
    return bounds;
}

}  // namespace ntkcore
