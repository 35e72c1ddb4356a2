-- wrk prints rounded values; the checks need the exact ones.
function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format(
        'interop {"requests": %d, "bytes": %d, "errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}',
        summary.requests, summary.bytes,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout
    ))
end
