import ValueFormats

extension ConfigurationFile {
    /// JSON Schema of the file (draft 7, which editors support), for completion and validation while editing.
    ///
    /// It accepts every file that the parser accepts. The parser detects more errors, such as a reference to an unknown
    /// pool.
    package static var schema: String {
        guard case .object(var schema) = ObjectSchema.root.schema else { preconditionFailure("a section is an object") }
        schema["$schema"] = .string("http://json-schema.org/draft-07/schema#")
        schema["title"] = .string("Configuration of monkey run")
        return JSONValue.object(schema).indented
    }
}
