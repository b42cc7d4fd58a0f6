// The inner loops of finite networks, compiled once for each instruction set. All matrices are row-major. `product`
// packs what it reads many times; the others read every operand from a block that lies in a cache, or only once.
#pragma once

#include <cstddef>

namespace ntkcore::dense {

// C (m × n) = A (m × k) Bᵀ (n × k), or C += it: sums along the rows of both.
template <class T>
struct Dot {
    std::size_t m, n, k;
    const T* a;
    std::size_t lda;
    const T* b;
    std::size_t ldb;
    T* c;
    std::size_t ldc;
    bool add = false;
};

// C (m × n) = β C + α A (m × k) B (k × n), where A_ip = a[i·a_row + p·a_term].
template <class T>
struct Outer {
    std::size_t m, n, k;
    const T* a;
    std::size_t a_row, a_term;
    const T* b;
    std::size_t ldb;
    T* c;
    std::size_t ldc;
    T alpha, beta;
    std::size_t ahead = 0;  // while at a row of C, ask for the one so many rows below it; 0: do not
};

// C (m × n) = β C + α A (m × k) B (k × n) for k > 0, where A_ip = a[i·a_row + p·a_term] and B_pj = b[p·b_term +
// j·b_col]; one of a_row and a_term is 1, and one of b_term and b_col. Pieces of B are copied.
template <class T>
struct Product {
    std::size_t m, n, k;
    const T* a;
    std::size_t a_row, a_term;
    const T* b;
    std::size_t b_term, b_col;
    T* c;
    std::size_t ldc;
    T alpha, beta;
    T* scratch;             // Kernels::scratch numbers
    std::size_t ahead = 0;  // b_col = 1: meanwhile ask for the numbers that lie so much further than those of B
};

// C (m × n) = A (m × k) B for k > 0, where rows of A pass through once and B lies in panels (Kernels::pack_columns).
// Rows of C have room for whole panels.
template <class T>
struct RowsByPanels {
    std::size_t m, n, k;
    const T* a;
    std::size_t lda;
    const T* b;
    T* c;
    std::size_t ldc;
};

// A block of W (m × n) that is used twice while it is in a cache: E (points × n) = D (points × m) W, or E += it unless
// `first`, and then C = β C + α Dᵀ A with A (points × n) in panels (Kernels::pack_rows). C has the stride of W and is
// often W itself; without E or C that part is left out. Meanwhile the rows below the block are asked for.
template <class T>
struct PassBlock {
    std::size_t m, n, points;
    const T* w;
    std::size_t ldw;
    const T* d;
    std::size_t ldd;
    T* e;
    std::size_t lde;
    bool first;
    const T* panels;
    T* c;
    T alpha, beta;
    std::size_t next_rows;
    T* scratch;  // Kernels::scratch numbers
};

// A row of W is read once: E (k × n) += D (k × m) W (m × n) with the old W, and W ← W + α Dᵀ A with A (k × n). For few
// points, k ≤ kFusedPoints.
template <class T>
struct Fused {
    std::size_t m, n, k;
    const T* d;
    std::size_t ldd;
    const T* a;
    std::size_t lda;
    T alpha;
    T* w;
    std::size_t ldw;
    T* e;
    std::size_t lde;
};
constexpr std::size_t kFusedPoints = 8;

// A block of numbers and what becomes of them.
template <class T>
struct Block {
    std::size_t rows, cols;
    const T* x;
    std::size_t ldx;
    T* out;
    std::size_t ldout;
    T factor;                  // of slopes
    const double* parameters;  // of the activation
    std::size_t n_parameters;
};

enum class Pointwise {
    ab_relu,      // a·min(x, 0) + b·max(x, 0)
    exponential,  // a·exp(bx)
    gaussian,     // a·exp(bx²)
    sinusoid,     // a (o·sin bx + e·cos bx)
    erf,          // a·erf(bx) + c
    gelu,         // xΦ(x)
    polynomial,   // Σ c_n x^n
    hermite,      // He_n(x)/√n!
    power,        // max(x, 0)^k
    tanh,
    sigmoid,
    softplus,
    silu,
    mish,
    gelu_tanh,
    elu,   // s·x for x > 0, else s·a (e^{x/w} − 1); parameters s, a, w
    clip,  // min(max(c·x + d, low), high); parameters low, high, c, d
    softsign,
};
constexpr std::size_t kPointwise = 18;

template <class T>
struct Kernels {
    void (*dot)(const Dot<T>&);
    void (*outer)(const Outer<T>&);
    void (*product)(const Product<T>&);
    std::size_t scratch;
    // k × n numbers as panels of `panel` columns, one after the other, from the rows of B or of Bᵀ
    void (*pack_rows)(std::size_t k, std::size_t n, const T* b, std::size_t ldb, T* out);
    void (*pack_columns)(std::size_t k, std::size_t n, const T* b, std::size_t ldb, T* out);
    std::size_t panel;
    void (*rows_by_panels)(const RowsByPanels<T>&);
    void (*pass_block)(const PassBlock<T>&);
    void (*fused)(const Fused<T>&);
    // x ← scale·x + shift·b_j, in place
    void (*affine)(std::size_t rows, std::size_t cols, T* x, std::size_t ldx, T scale, const T* b, T shift);
    // Y ← Y + factor·X
    void (*add)(std::size_t rows, std::size_t cols, T factor, const T* x, std::size_t ldx, T* y, std::size_t ldy);
    void (*value[kPointwise])(const Block<T>&);  // out = σ(x)
    void (*slope[kPointwise])(const Block<T>&);  // out ← factor·out·σ'(x)
};

template <class T>
[[nodiscard]] const Kernels<T>& kernels();
// Of an instruction set by name, which the CPU must have.
template <class T>
[[nodiscard]] const Kernels<T>& kernels_of(const char* isa);

}  // namespace ntkcore::dense
