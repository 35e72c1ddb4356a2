# Each recipe is one line, which can also be run without just.

# List the recipes
default:
    @just --list --unsorted

# Relay 127.0.0.1:8080 to 127.0.0.1:8081 and print each event (run `just echo` in a second terminal)
proxy:
    swift run -c release monkey proxy --events

# Echo all data received on 127.0.0.1:8081
echo:
    swift run -c release monkey echo

# Run the unit tests and the end-to-end tests, eight at a time
test:
    SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=8 swift test

# Run the simulation: `--seed N` prints the trace of one seed, `--seeds A..B` runs many
simulate *options:
    swift run -c release simulate {{options}}

# Break a copy of the data plane in each listed way, and verify that the simulation detects it
mutations *options:
    Tests/Mutations/run {{options}}

# Fuzz the parsers of untrusted input, each for the given seconds (`just fuzz 60 addresses` fuzzes one)
fuzz seconds *harnesses:
    Verification/Fuzz/run {{seconds}} {{harnesses}}

# Run the data plane's tests with a sanitizer: `just sanitize thread`, `just sanitize address`
sanitize *options:
    .ci/sanitize {{options}}

# Format the sources
fmt:
    swift format --in-place --parallel --recursive .

# Report violations of the format, and compiler warnings as errors
lint:
    swift format lint --strict --parallel --recursive . && swift build --build-tests -Xswiftc -warnings-as-errors

alias clippy := lint

# Fix violations of the format, and report those that remain
fix:
    swift format --in-place --parallel --recursive . && swift format lint --strict --parallel --recursive .

# Build the documentation of the libraries (DocC), and check it
docs:
    .ci/docs

# Run all checks of CI
quality:
    .ci/run

# Build a tarball, a Debian package and the build context of a container image in .build/package
package:
    .ci/package

# Check the machine code of the relay path, and count the calls and allocations of a fixed exchange
cost:
    swift build -c release && .ci/hot-path && .ci/cost

# Run real servers and clients through the proxy (requires the packages listed in .ci/run)
interop *options:
    swift build -c release && Verification/Interop/run {{options}}

# Test this proxy and others against docs/tcp-contract.md (`just conformance haproxy` tests only that one)
conformance *options:
    swift build -c release && Verification/Conformance/run {{options}}

# Test with network faults between hosts (network namespaces: requires root)
networks *options:
    swift build -c release && Verification/Networks/run {{options}}

# Run mixed load for the given minutes, then check counters, descriptors and memory
soak minutes *options:
    swift build -c release && Verification/Soak/run {{minutes}} {{options}}

# Run the steps that take too long for CI, and update docs/reliability.md (`just nightly --help` lists the steps)
nightly *options:
    .ci/nightly {{options}}

# Compare the proxy with HAProxy, nginx, Go and tokio (two hours; `just compare --help` lists the options for shorter runs)
compare *options:
    swift build -c release && Benchmarks/compare {{options}}

# Benchmark the pure functions that run for each event (the first build takes some minutes)
bench:
    swift package -c release --package-path Benchmarks/Micro benchmark
