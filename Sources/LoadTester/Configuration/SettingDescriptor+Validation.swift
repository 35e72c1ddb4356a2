import ValueFormats

extension SettingDescriptor {
    /// Validates a number or a duration; nil is valid.
    ///
    /// - Throws: ``LoadTestError/badSetting(name:value:allowed:)``.
    func check(_ value: (some RangeLimited)?) throws(LoadTestError) {
        guard let violation = violation(value) else { return }
        throw .badSetting(name: violation.name, value: violation.value, allowed: violation.allowed)
    }
}
