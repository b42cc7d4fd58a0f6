// Expansions at single variances that have been asked for before.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "ntkcore/expansion.hpp"

namespace ntkcore {

inline Expansion copy_of(const Expansion& from) {
    Expansion to;
    to.parity = from.parity;
    to.terms = from.terms;
    to.capped = from.capped;
    to.coefficients = Aligned<double>::raw(from.coefficients.size());
    std::copy_n(from.coefficients.data(), from.coefficients.size(), to.coefficients.data());
    to.largest = from.largest;
    to.distinct = from.distinct;
    to.moments = from.moments;
    to.truncation = from.truncation;
    to.lattice = from.lattice;
    to.bend = from.bend;
    to.bend_rest = from.bend_rest;
    return to;
}

class SingleExpansions {
   public:
    struct Key {
        double hi, lo, tolerance;
        std::int32_t e;
        std::size_t min_terms, max_terms;
        auto operator<=>(const Key&) const = default;
    };
    [[nodiscard]] std::optional<Expansion> find(const Key& key) const {
        const std::scoped_lock lock(mutex_);
        const auto found = all_.find(key);
        if (found == all_.end()) return std::nullopt;
        return copy_of(found->second);
    }
    void add(const Key& key, const Expansion& expansion) {
        const std::scoped_lock lock(mutex_);
        if (all_.size() >= kMost) all_.clear();
        all_.insert_or_assign(key, copy_of(expansion));
    }

   private:
    static constexpr std::size_t kMost = 512;
    mutable std::mutex mutex_;
    std::map<Key, Expansion> all_;
};

}  // namespace ntkcore
