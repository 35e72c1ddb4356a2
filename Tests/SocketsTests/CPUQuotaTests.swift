import Foundation
import ProcessSupport
import Support
import Testing

@Suite("CPU quota of control groups")
struct CPUQuotaTests {
    /// Returns the quota in a file system with these files.
    private func processors(_ files: [String: String]) async throws -> Int? {
        try await withScratchFolder { root in
            for (path, text) in files {
                let url = URL(filePath: root + path)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try text.write(to: url, atomically: false, encoding: .utf8)
            }
            return CPUQuota.processors(root: root)
        }
    }

    @Test(
        "a quota of version 2 is rounded up to whole processors",
        arguments: [
            ("max 100000\n", nil), ("100000 100000\n", 1), ("150000 100000\n", 2), ("1000 100000\n", 1),
            ("400000 100000\n", 4), ("50000 10000\n", 5), ("", nil), ("x y\n", nil), ("0 100000\n", nil),
            ("100000 0\n", nil), ("-5 100000\n", nil), ("9223372036854775807 1\n", 1_000_000),
        ] as [(String, Int?)]
    )
    func unified(text: String, processors: Int?) async throws {
        let files = ["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": text]
        #expect(try await self.processors(files) == processors)
    }

    @Test("the smallest quota of nested groups applies")
    func nested() async throws {
        var files = [
            "/proc/self/cgroup": "0::/kubepods/pod1/app\n", "/sys/fs/cgroup/kubepods/cpu.max": "800000 100000\n",
            "/sys/fs/cgroup/kubepods/pod1/cpu.max": "200000 100000\n",
            "/sys/fs/cgroup/kubepods/pod1/app/cpu.max": "max 100000\n",
        ]
        #expect(try await processors(files) == 2)
        files["/sys/fs/cgroup/kubepods/pod1/app/cpu.max"] = "100000 100000\n"
        #expect(try await processors(files) == 1)
        files["/sys/fs/cgroup/kubepods/pod2/cpu.max"] = "1000 100000\n"
        files["/sys/fs/cgroup/kubepods/pod1/app/cpu.max"] = "max 100000\n"
        #expect(try await processors(files) == 2)
    }

    @Test("a path that begins outside of the container refers to the groups that are visible")
    func container() async throws {
        let files = ["/proc/self/cgroup": "0::/../../other\n", "/sys/fs/cgroup/cpu.max": "300000 100000\n"]
        #expect(try await processors(files) == 3)
    }

    @Test("quotas of version 1 are read from the group of the cpu controller")
    func legacy() async throws {
        var files = [
            "/proc/self/cgroup": "5:memory:/other\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/\n0::/\n",
            "/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "250000\n",
            "/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/cpu,cpuacct/other/cpu.cfs_quota_us": "1000\n",
            "/sys/fs/cgroup/cpu,cpuacct/other/cpu.cfs_period_us": "100000\n",
        ]
        #expect(try await processors(files) == 3)
        files["/sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us"] = "-1\n"
        #expect(try await processors(files) == nil)
        files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "200000\n"
        files["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "50000\n"
        #expect(try await processors(files) == 4)
    }

    @Test("without control groups there is no quota")
    func none() async throws {
        #expect(try await processors([:]) == nil)
        #expect(try await processors(["/proc/self/cgroup": "nonsense\n:\n::\n"]) == nil)
    }
}
