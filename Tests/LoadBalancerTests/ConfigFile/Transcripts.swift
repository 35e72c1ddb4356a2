/// Files used by several tests.
enum Transcripts {
    /// A file with as many errors as possible.
    static let long = """
        thread: 2
        max-connections: 0
        engine: fast
        grace: 10
        drain-delay: 1 sec
        admin: 127.0.0.1
        events: yes
        log-level: loud
        listeners:
          postgres:
            listen: 127.0.0.1:5432
            pool: database
            connectTimeout: 5s
            idle-timeout: 0s
            idle-timeout: 10s
          redis:
            listen: 127.0.0.1:5432
            pol: caches
            source: 127.0.0.2
          "bad name":
            listen: "*:5432"
            pool: databases
            tcp-user-timeout: 1000h
            keepalive: 1500ms
        pools:
          databases:
            policy: least-connection
            servers:
              - 10.0.0.1:5432
              - 10.0.0.1:0
              - address: 10.0.0.1:5432
                wieght: 2
                backup: maybe
              - name: db3
              - [1, 2]
              -
            check: {type: postgress, interval: 2, rise: "2", fall: 0, port: 70000, initial: on}
            ejection: {failure-rate: 50, max-percent: 150%, base-time: 5m, max-time: 10s}
            slow-start:
            queue: 5
            on-server-down: drop
          spare:
            servers:
              - {address: "10.1.0.1:1", backup: true}

        """

    /// A valid file that uses many features of YAML.
    static let well = """
        %YAML 1.2
        ---
        # A comment, with an *asterisk.
        "threads": 2
        listeners:
          front: &front
            listen: "[::1]:5432"
            pool: 'p'
            idle-timeout: &long 1h
          back: {listen: ":5433", pool: p, lifetime: *long}
        pools:
          p:
            servers:
            - 10.0.0.1:5432
            - address: db.example:5432
              name: db2
            check:
              type: send-expect
              send: "PING\\r\\n"
              expect: |
                +PONG
        ...

        """
}

extension Transcripts {
    /// The diagnostics of ``long``.
    static let longMessages = #"""
        1:1: error: thread: unknown key in the file: did you mean threads?
        2:18: error: max-connections: invalid value '0': must be a whole number from 1 to 1000000
        3:9: error: engine: unknown value 'fast': must be auto, copy or splice
        4:8: error: grace: '10': missing unit: write 10ms, 10s, 10m or 10h
        5:14: error: drain-delay: '1 sec': unknown unit 'sec': write a number and h, m, s, ms, us or ns, such as 500ms, 1.5s, 1m30s or 1h
        6:8: error: admin: '127.0.0.1' has no port: write it as host:port, such as 127.0.0.1:8080
        7:9: error: events: invalid value 'yes': must be true or false
        8:12: error: log-level: unknown value 'loud': must be trace, debug, info, notice, warning, error or critical
        12:11: error: listeners.postgres.pool: unknown pool 'database': did you mean databases?
        13:5: error: listeners.postgres.connectTimeout: unknown key in a listener: did you mean connect-timeout?
        14:19: error: listeners.postgres.idle-timeout: '0s': too short: must be at least 1ms
        15:5: error: listeners.postgres.idle-timeout: duplicate key, first defined on line 14: keep one of them
        17:5: error: listeners.redis: missing key pool: add pool: NAME
        17:13: error: listeners.redis.listen: 127.0.0.1:5432 is already used by listeners.postgres: choose another address or port
        18:5: error: listeners.redis.pol: unknown key in a listener: did you mean pool?
        19:13: error: listeners.redis.source: invalid value '127.0.0.2': must be IP addresses of this machine without a port, such as [127.0.0.2, "::1"]
        20:3: error: listeners.'bad name': invalid name 'bad name': must be at most 64 letters, digits, -, _ and ., the first a letter or digit
        21:13: error: listeners.'bad name'.listen: conflicts with 127.0.0.1:5432 of listeners.postgres, as one of them binds all interfaces: choose another port
        23:23: error: listeners.'bad name'.tcp-user-timeout: '1000h': too long: must be at most 596h
        24:16: error: listeners.'bad name'.keepalive: must be in whole seconds, such as 60s
        27:13: error: pools.databases.policy: unknown value 'least-connection': did you mean least-connections?
        30:9: error: pools.databases.servers[1]: invalid port 0: must be the port that the server listens on
        31:18: error: pools.databases.servers[2]: duplicate server 10.0.0.1:5432, first defined on line 29: keep one, with a weight if it should get more connections
        32:9: error: pools.databases.servers[2].wieght: unknown key in a server: did you mean weight?
        33:17: error: pools.databases.servers[2].backup: invalid value 'maybe': must be true or false
        34:9: error: pools.databases.servers[3]: missing key address: add address: 10.0.0.1:5432
        35:9: error: pools.databases.servers[4]: invalid list: must be a mapping with the keys address, name, weight, backup, max-connections or resolve
        36:8: error: pools.databases.servers[5]: missing value: must be an address, such as 127.0.0.1:5432 or unix:/run/app.sock
        37:19: error: pools.databases.check.type: unknown value 'postgress': did you mean postgres?
        37:40: error: pools.databases.check.interval: '2': missing unit: write 2ms, 2s, 2m or 2h
        37:49: error: pools.databases.check.rise: unexpected quotes: write 2 without quotes
        37:60: error: pools.databases.check.fall: invalid value '0': must be a whole number from 1 to 1000
        37:69: error: pools.databases.check.port: invalid value '70000': must be a whole number from 1 to 65535
        37:85: error: pools.databases.check.initial: unknown value 'on': must be up, down or unknown
        38:30: error: pools.databases.ejection.failure-rate: '50': must be a whole number and %, from 1% to 100%
        38:47: error: pools.databases.ejection.max-percent: '150%': must be a whole number and %, from 0% to 100%
        38:78: error: pools.databases.ejection.max-time: max-time is shorter than base-time: must be at least base-time
        39:16: error: pools.databases.slow-start: missing value: must be a duration from 1ms to 8760h, such as 500ms or 1m30s
        40:12: error: pools.databases.queue: invalid value '5': must be a mapping with the keys limit or timeout
        41:21: error: pools.databases.on-server-down: unknown value 'drop': must be keep or close
        44:7: error: pools.spare.servers: every server is a backup: remove backup from at least one
        """#.split(separator: "\n").map(String.init)
}
