// Two workers count in one plain variable. Nothing but ThreadSanitizer's report is wanted of this program.
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <thread>

#include "ntkcore/parallel.hpp"

int main() {
    int counter = 0;
    std::atomic<int> arrived{0};
    ntkcore::parallel_for(2, 2, [&](std::size_t, int, ntkcore::Work&) {
        arrived.fetch_add(1, std::memory_order_relaxed);
        while (arrived.load(std::memory_order_relaxed) < 2) std::this_thread::yield();  // so that both take part
        ++counter;
    });
    std::printf("%d\n", counter);
}
