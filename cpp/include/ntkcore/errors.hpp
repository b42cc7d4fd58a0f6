// What the core throws. Bad arguments are std::invalid_argument: they are worded at the Python edge, so one that
// reaches the core is a bug of the caller. NumericalError is a computation that could not be carried out.
#pragma once

#include <stdexcept>

namespace ntkcore {

class NumericalError : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
};

}  // namespace ntkcore
