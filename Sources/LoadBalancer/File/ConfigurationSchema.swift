extension ConfigurationFile {
    /// A JSON Schema of the file (draft 7, which editors know), for completion and checks while one writes.
    ///
    /// It takes every file that the parser takes. The parser sees more, such as a pool that is not there.
    public static var schema: String {
        guard case .object(var schema) = Section.root.schema else { preconditionFailure("a section is an object") }
        schema["$schema"] = .text("http://json-schema.org/draft-07/schema#")
        schema["title"] = .text("Configuration of monkey run")
        return JSONValue.object(schema).text
    }
}
