import ValueFormats

extension SettingDescriptor {
    /// Validates a number or a duration; nil is valid.
    ///
    /// - Parameter owner: the object of the setting, as the end of its name in the error: ` of pool db`.
    /// - Throws: ``ProxyError/badSetting(name:value:allowed:)``.
    func check(_ value: (some RangeLimited)?, of owner: String = "") throws(ProxyError) {
        guard let violation = violation(value, of: owner) else { return }
        throw .badSetting(name: violation.name, value: violation.value, allowed: violation.allowed)
    }
}
