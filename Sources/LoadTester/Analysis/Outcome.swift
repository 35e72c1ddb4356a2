extension LoadTest.Report {
    /// Whether nothing succeeded: no request was answered, no byte was transferred, or no connection stayed open. False
    /// if the run was stopped before anything could succeed or fail.
    public var nothingSucceeded: Bool {
        guard duration > 0 || hasErrors else { return false }
        if setup.isBulk { return traffic.upstreamTotal == 0 && traffic.downstreamTotal == 0 }
        // Without a payload, held connections serve no exchange.
        if setup.isHold { return connections.lived == 0 || (exchanges.due > 0 && exchanges.answered == 0 && hasErrors) }
        return exchanges.answered == 0 && hasErrors
    }

    private var hasErrors: Bool { errors["total", default: 0] > 0 }
}

/// The likely cause of a run in which nothing succeeded.
enum Outcome {
    static func hint(about report: LoadTest.Report) -> String? {
        guard report.nothingSucceeded else { return nil }
        let mismatches = report.errors[LoadTest.FailureCause.mismatch.name, default: 0]
        let silent: [LoadTest.FailureCause] = [.closedEarly, .unanswered, .timeout]
        let isSilent = report.connections.established > 0 && silent.contains { report.errors[$0.name, default: 0] > 0 }
        if report.errors[LoadTest.FailureCause.tls.name, default: 0] > 0 {
            return "the TLS handshake failed: check --tls-ca and --tls-name, and whether the target requires a client "
                + "certificate (--tls-certificate)"
        }
        switch report.setup.mode {
        case "echo", "connect", "hold":
            let instead =
                "use --script to describe its protocol, --response-size if only the size of a response matters, "
                + "or --mode connect --size 0 to test connections only"
            if mismatches > 0 { return "the target does not echo: \(instead)" }
            return isSilent ? "the target may not echo, since it answered no request: \(instead)" : nil
        case "request" where mismatches > 0:
            return "no response has the expected size: --response-size must be the exact number of bytes, and with "
                + "--verify they must be the pattern of monkey echo --respond"
        case "request" where isSilent:
            return "no response was complete: --response-size must not be larger than the response"
        case "script" where mismatches > 0 || isSilent:
            return "no response is as the script expects: compare its expect lines with the bytes that the target sends"
        case "both":
            return "the target does not echo: use --mode upload or --mode download"
        case "download":
            return "the target sent nothing: --mode download needs a target that sends without a request, such as "
                + "monkey echo --source"
        default: return nil
        }
    }
}
