# Each recipe is one line, and works as well without just: copy it.

# List the recipes
default:
    @just --list --unsorted

# Relay 127.0.0.1:8080 to 127.0.0.1:8081 and print each event (have `just echo` running in a second terminal)
proxy:
    swift run -c release monkey proxy --events

# Send back what comes in on 127.0.0.1:8081
echo:
    swift run -c release monkey echo

# Run the unit tests and the end-to-end tests, a few at once: hundreds would wait for each other, and for real processes
test:
    SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=8 swift test

# Play seeds of the simulation: `--seed N` tells one seed's story, `--seeds A..B` plays many
simulate *options:
    swift run -c release simulate {{options}}

# Break a copy of the data plane in each listed way, and show that the simulation notices
mutations *options:
    Tests/Mutations/run {{options}}

# Feed the parsers of hostile input with what libFuzzer invents, each for so long (`just fuzz 60 addresses` feeds one)
fuzz seconds *harnesses:
    Fuzz/run {{seconds}} {{harnesses}}

# Run the data plane's tests in a build of a sanitizer: `just sanitize thread`, `just sanitize address`
sanitize *options:
    .ci/sanitize {{options}}

# Lay out the sources
fmt:
    swift format --in-place --parallel --recursive .

# Say what the layout rules and the compiler have against the sources
lint:
    swift format lint --strict --parallel --recursive . && swift build --build-tests -Xswiftc -warnings-as-errors

alias clippy := lint

# Mend what can be mended by itself, and show what is left
fix:
    swift format --in-place --parallel --recursive . && swift format lint --strict --parallel --recursive .

# Check all that CI checks
quality:
    .ci/run

# Read the machine code on the way of a byte, and count the calls and allocations of a fixed exchange
cost:
    swift build -c release && .ci/hot-path && .ci/cost

# Put real servers and clients on both sides of the proxy (needs the packages that .ci/run names)
interop:
    swift build -c release && Interop/run

# Hold the proxy, and others, to the sentences of docs/tcp-contract.md (`just conformance haproxy` runs that one alone)
conformance *options:
    swift build -c release && Conformance/run {{options}}

# Break the network between hosts that the run makes (namespaces: as root)
networks *options:
    swift build -c release && Networks/run {{options}}

# Keep the proxy busy with everything at once for so many minutes, and look at its books, descriptors and memory afterwards
soak minutes *options:
    swift build -c release && Soak/run {{minutes}} {{options}}

# What takes too long for CI, each step with its row in docs/reliability.md (`just nightly --help` has the steps)
nightly *options:
    .ci/nightly {{options}}

# Hold the proxy against HAProxy, nginx, Go and tokio, side by side (two hours; `just compare --help` has less)
compare *options:
    swift build -c release && Benchmarks/compare {{options}}

# Measure the pure parts that run for each event (the first build takes some minutes)
bench:
    swift package -c release --package-path Benchmarks/Micro benchmark
