/// What a person at a terminal sees first, and a pipe never.
enum Banner {
    static let text = ##"""
                 .-"""-.
             ___/=======\___
            '---------------'     Monkey D. TCP \##(Version.current)
              ( ( o . o ) )       every byte, both ways
                (   -   )
                 '-----'
        """##
}
