/// Command-line options.
enum Options {
    case help
    case story(seed: UInt64)
    case many(Run)

    static let usage = """
        usage: simulate --seed N
               simulate --seeds A..B [--minutes M] [--jobs J] [--keep-going]

          --seed N      run one seed and print its trace
          --seeds A..B  run the seeds from A up to, but not including, B
          --minutes M   stop after M minutes, even if seeds are left
          --jobs J      number of seeds run in parallel (default: number of processors)
          --keep-going  continue after a failed seed
        """

    struct Mistake: Error, CustomStringConvertible {
        let description: String
    }

    init(_ arguments: some Sequence<String>) throws(Mistake) {
        var arguments = Array(arguments)[...]
        var seed: UInt64?
        var run: Run?
        var minutes: Double?
        var jobs: Int?
        var keepsGoing = false
        while let name = arguments.popFirst() {
            switch name {
            case "--help", "-h":
                self = .help
                return
            case "--seed": seed = try Self.value(of: name, in: &arguments, UInt64.init)
            case "--seeds": run = try Self.value(of: name, in: &arguments, Run.init)
            case "--minutes":
                minutes = try Self.value(of: name, in: &arguments) { Double($0).flatMap { $0 > 0 ? $0 : nil } }
            case "--jobs": jobs = try Self.value(of: name, in: &arguments) { Int($0).flatMap { $0 > 0 ? $0 : nil } }
            case "--keep-going": keepsGoing = true
            default: throw Mistake(description: "unknown option '\(name)'")
            }
        }
        switch (seed, run) {
        case (let seed?, nil):
            self = .story(seed: seed)
        case (nil, var run?):
            run.minutes = minutes
            run.jobs = jobs ?? run.jobs
            run.keepsGoing = keepsGoing
            self = .many(run)
        default:
            throw Mistake(description: "no seeds given: use either --seed or --seeds")
        }
    }

    private static func value<Value>(
        of name: String,
        in arguments: inout ArraySlice<String>,
        _ read: (String) -> Value?
    ) throws(Mistake) -> Value {
        guard let text = arguments.popFirst(), let value = read(text) else {
            throw Mistake(description: "missing or invalid value for \(name)")
        }
        return value
    }
}
