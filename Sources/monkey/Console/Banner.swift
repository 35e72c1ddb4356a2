/// The banner, printed on a terminal only.
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
