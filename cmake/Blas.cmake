# Defines the target ntkcore_blas, and NTKCORE_BLAS_RUNTIME: the library file that must travel with the package.
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)

add_library(ntkcore_blas INTERFACE)
if(NTKCORE_BLAS STREQUAL "system")
  find_package(BLAS REQUIRED)
  target_link_libraries(ntkcore_blas INTERFACE BLAS::BLAS)
  # The CBLAS interface is part of OpenBLAS, BLIS, MKL and Accelerate; the reference BLAS has it in a second library.
  include(CheckFunctionExists)
  set(CMAKE_REQUIRED_LIBRARIES BLAS::BLAS)
  check_function_exists(cblas_sgemm NTKCORE_BLAS_HAS_CBLAS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  if(NOT NTKCORE_BLAS_HAS_CBLAS)
    find_library(NTKCORE_CBLAS_LIBRARY cblas REQUIRED)
    target_link_libraries(ntkcore_blas INTERFACE ${NTKCORE_CBLAS_LIBRARY})
  endif()
  list(GET BLAS_LIBRARIES 0 NTKCORE_BLAS_FILE)
  get_filename_component(NTKCORE_BLAS_NAME "${NTKCORE_BLAS_FILE}" NAME)
  target_compile_definitions(ntkcore_blas INTERFACE NTKCORE_BLAS_NAME="${NTKCORE_BLAS_NAME}")
elseif(NTKCORE_BLAS STREQUAL "scipy-openblas")
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "import scipy_openblas32 as b; print(b.get_lib_dir())"
    OUTPUT_VARIABLE NTKCORE_BLAS_DIR OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE missing ERROR_QUIET)
  if(missing)
    message(FATAL_ERROR "The Python package scipy-openblas32 is not installed for ${Python_EXECUTABLE}: "
                        "pip install scipy-openblas32, or link a system BLAS with -DNTKCORE_BLAS=system")
  endif()
  file(GLOB NTKCORE_BLAS_RUNTIME ${NTKCORE_BLAS_DIR}/libscipy_openblas.so ${NTKCORE_BLAS_DIR}/libscipy_openblas.dylib)
  # Linked by name, so that the extension asks for the file beside it and for no path of the build machine.
  target_link_directories(ntkcore_blas INTERFACE ${NTKCORE_BLAS_DIR})
  target_link_libraries(ntkcore_blas INTERFACE scipy_openblas)
  target_compile_definitions(ntkcore_blas INTERFACE NTKCORE_BLAS_SCIPY_OPENBLAS)
else()
  message(FATAL_ERROR "NTKCORE_BLAS must be scipy-openblas or system, got \"${NTKCORE_BLAS}\"")
endif()
