import Testing
import ValueFormats

@Suite("JSON")
struct JSONValueTests {
    @Test(
        "a value is formatted on one line, with members in order",
        arguments: [
            (JSONValue.object(["b": .integer(-1), "a": .array([.null, .number(0.5)])]), #"{"b":-1,"a":[null,0.5]}"#),
            (.object([:]), "{}"), (.array([]), "[]"), (.boolean(true), "true"), (.numeral("0.250"), "0.250"),
            (.number(.infinity), "null"), (.number(.nan), "null"), (.number(0.000_01), "1e-05"),
        ] as [(JSONValue, String)]
    )
    func values(value: JSONValue, text: String) {
        #expect(value.text == text)
        #expect(value.line == text + "\n")
    }

    @Test(
        "a string is escaped",
        arguments: [
            ("plain ↑ é", #""plain ↑ é""#), (#"a"b\c"#, #""a\"b\\c""#), ("\n\r\t", #""\n\r\t""#),
            ("\0\u{1F}", #""\u0000\u001f""#), ("\r\n", #""\r\n""#), ("\u{7F}", "\"\u{7F}\""),
        ]
    )
    func strings(string: String, text: String) {
        #expect(JSONValue.string(string).text == text)
    }

    @Test("an indented value has an element or a member on each line, sorted by name")
    func indentation() {
        let value: JSONValue = .object(["b": .array([.integer(1), .integer(2)]), "a": .object([:])])
        #expect(
            value.indented == """
                {
                  "a" : {},
                  "b" : [
                    1,
                    2
                  ]
                }

                """
        )
    }

    @Test("a member is read, replaced, added and removed by name")
    func members() {
        var object: JSONObject = ["a": .integer(1)]
        object["b"] = .integer(2)
        object["a"] = .integer(3)
        #expect(object == ["a": .integer(3), "b": .integer(2)])
        object["a"] = nil
        #expect(object["a"] == nil)
        #expect(object + ["c": .null] == ["b": .integer(2), "c": .null])
    }

    @Test(
        "characters that could add or forge a line are escaped",
        arguments: [
            ("plain é", "plain é"), ("a\nb\u{1B}[31m", #"a\nb\u{1B}[31m"#), ("\u{2028}\u{202E}", #"\u{2028}\u{202E}"#),
            (#"\ " '"#, #"\ " '"#),
        ]
    )
    func oneLine(text: String, expected: String) {
        #expect(text.onOneLine == expected)
    }
}
