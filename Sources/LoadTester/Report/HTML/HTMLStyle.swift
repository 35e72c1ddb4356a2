extension HTMLPage {
    /// The page's style sheet.
    static let style = """
        :root { color-scheme: light dark; --ink: #1c2733; --dim: #667380; --line: #d9dfe5; --paper: #fff; --card: #f4f6f8;
          --a: #0b6bcb; --b: #d9480f; --c: #8a939c; --warn: #b3261e; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --dim: #97a3af; --line: #38424c; --paper: #14191e;
          --card: #1e252c; --a: #63adff; --b: #ff9454; --c: #7c8791; --warn: #ff8a80; } }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
        h1 { margin: 0; font-size: 1.7rem; } h1 + p { margin-top: .2rem; color: var(--dim); }
        .warnings { border-left: 4px solid var(--warn); background: var(--card); padding: .8rem 1rem; margin: 1rem 0; }
        .warnings strong { color: var(--warn); } .warnings ul { margin: .4rem 0 0; padding-left: 1.2rem; }
        .figures { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0; }
        .figures div { flex: 1 1 8rem; background: var(--card); border-radius: 8px; padding: .8rem 1rem; }
        .figures b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; } .figures span { color: var(--dim); }
        table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
        th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
        th { color: var(--dim); font-weight: 600; } th:first-child, td:first-child, .text th, .text td { text-align: left; }
        .wide { overflow-x: auto; } table:not(.text) td { white-space: nowrap; }
        figure { margin: 2rem 0; position: relative; } figcaption { font-weight: 600; margin-bottom: .4rem; }
        figcaption button { float: right; font: inherit; font-weight: 400; font-size: .85rem; color: var(--a); background: none;
          border: 0; cursor: pointer; }
        svg { width: 100%; height: auto; display: block; } svg text { fill: var(--dim); font-size: 12px; }
        .grid { stroke: var(--line); } .plot { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 5 4; }
        .legend { display: flex; gap: 1.2rem; color: var(--dim); font-size: .9rem; }
        .legend i { display: inline-block; width: 1.4rem; height: 3px; vertical-align: middle; margin-right: .4rem; }
        .tip { position: absolute; pointer-events: none; background: var(--ink); color: var(--paper); border-radius: 4px;
          padding: .2rem .5rem; font-size: .85rem; white-space: pre; display: none; }
        """
}
