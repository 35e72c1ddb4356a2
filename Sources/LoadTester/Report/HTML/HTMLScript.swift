extension HTMLPage {
    /// JavaScript that draws the plots: plain SVG, no library.
    static let script = #"""
        "use strict";
        const report = JSON.parse(document.getElementById("report").textContent);
        // As wide as there is room, so that the letters are as large on a telephone.
        const width = Math.max(300, Math.min(920, document.querySelector("main").clientWidth - 32)), height = 320, margin = {left: 76, right: 40, top: 10, bottom: 34};

        function time(seconds) {
          if (seconds <= 0) return "0";
          const units = [[1, "s"], [1e-3, "ms"], [1e-6, "us"], [1e-9, "ns"]];
          const [scale, name] = units.find(([scale]) => seconds >= scale * 0.9995) || units[3];
          return Number((seconds / scale).toPrecision(3)) + " " + name;
        }
        function count(value, gap = "") {
          const units = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];
          const unit = units.find(([scale]) => value >= scale);
          const number = Number((value / (unit ? unit[0] : 1)).toPrecision(3));
          return number + gap + (unit ? unit[1] : "");
        }
        function percentile(x) { return Number((100 - 100 / x).toPrecision(8)) + " %"; }

        // An axis: from values to places between low and high, with marks.
        function linear(low, high) {
          const span = high - low || 1, rough = span / 6, power = 10 ** Math.floor(Math.log10(rough));
          const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
          const marks = [];
          for (let mark = Math.ceil(low / step) * step; mark <= high + step / 1e6; mark += step) marks.push(mark);
          return {place: value => (value - low) / span, marks};
        }
        function logarithmic(low, high) {
          const from = Math.floor(Math.log10(low)), to = Math.max(from + 1, Math.ceil(Math.log10(high)));
          const marks = [];
          for (let exponent = from; exponent <= to; exponent++) marks.push(10 ** exponent);
          return {place: value => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from), marks};
        }

        function element(name, attributes, parent, text) {
          const made = document.createElementNS("http://www.w3.org/2000/svg", name);
          for (const key in attributes) made.setAttribute(key, attributes[key]);
          if (text !== undefined) made.textContent = text;
          parent.append(made);
          return made;
        }

        // lines: [{name, color, dashed, points: [[x, y], ...]}]
        function plot(id, lines, options) {
          const figure = document.getElementById(id);
          lines = lines.filter(line => line.points.length);
          if (!figure || !lines.length) { if (figure) figure.remove(); return; }
          let isLogarithmic = options.logarithmic;
          if (options.toggles) {
            const button = document.createElement("button");
            const label = () => button.textContent = isLogarithmic ? "linear scale" : "logarithmic scale";
            button.onclick = () => { isLogarithmic = !isLogarithmic; label(); draw(); };
            label();
            figure.querySelector("figcaption").append(button);
          }
          const holder = document.createElement("div"), legend = document.createElement("div"),
            tip = document.createElement("div");
          legend.className = "legend"; tip.className = "tip";
          figure.append(holder, legend, tip);
          for (const line of lines) {
            const item = document.createElement("span"), sample = document.createElement("i");
            sample.style.background = `var(${line.color})`;
            item.append(sample, line.name);
            legend.append(item);
          }
          const all = lines.flatMap(line => line.points);
          const xs = all.map(point => point[0]), ys = all.map(point => point[1]).filter(y => y > 0);
          const lowX = xs.reduce((a, b) => Math.min(a, b)), highX = xs.reduce((a, b) => Math.max(a, b));
          const highY = ys.reduce((a, b) => Math.max(a, b), 0) || 1, lowY = ys.reduce((a, b) => Math.min(a, b), highY);
          const xAxis = options.byPercentile ? logarithmic(1, highX) : linear(options.fromZero ? 0 : lowX, highX);
          const toX = x => margin.left + xAxis.place(x) * (width - margin.left - margin.right);

          function draw() {
            const yAxis = isLogarithmic ? logarithmic(lowY, highY) : linear(0, highY * 1.05);
            const toY = y => height - margin.bottom - yAxis.place(y) * (height - margin.top - margin.bottom);
            holder.replaceChildren();
            const svg = element("svg", {viewBox: `0 0 ${width} ${height}`, role: "img"}, holder);
            for (const mark of yAxis.marks) {
              const y = toY(mark);
              element("line", {class: "grid", x1: margin.left, x2: width - margin.right, y1: y, y2: y}, svg);
              element("text", {x: margin.left - 8, y: y + 4, "text-anchor": "end"}, svg, options.y(mark));
            }
            let free = -Infinity;
            for (const mark of xAxis.marks) {
              const x = toX(mark), text = options.x(mark), half = 4 * text.length;
              if (x > width - margin.right + 1 || x - half < free) continue;
              free = x + half;
              element("line", {class: "grid", x1: x, x2: x, y1: margin.top, y2: height - margin.bottom}, svg);
              element("text", {x, y: height - margin.bottom + 18, "text-anchor": "middle"}, svg, text);
            }
            for (const line of lines) {
              // Without a response there is no latency, which differs from a low one: the line has a gap.
              const isGap = point => !point || options.gaps && point[1] <= 0;
              let path = "";
              line.points.forEach((point, index) => {
                if (isGap(point)) return;
                const [x, y] = [toX(point[0]).toFixed(1), toY(point[1]).toFixed(1)];
                const isFirst = isGap(line.points[index - 1]);
                path += `${isFirst ? "M" : "L"}${x} ${y}`;
                if (isFirst && isGap(line.points[index + 1])) {
                  element("circle", {cx: x, cy: y, r: 3, style: `fill: var(${line.color})`}, svg);
                }
              });
              element("path", {class: line.dashed ? "plot dashed" : "plot", d: path,
                style: `stroke: var(${line.color})`}, svg);
            }
            const cursor = element("line", {class: "grid", y1: margin.top, y2: height - margin.bottom, visibility: "hidden"}, svg);
            svg.onmousemove = event => {
              const box = svg.getBoundingClientRect(), at = (event.clientX - box.left) / box.width * width;
              const nearest = line => line.points.reduce((best, point) =>
                Math.abs(toX(point[0]) - at) < Math.abs(toX(best[0]) - at) ? point : best);
              const x = nearest(lines[0])[0];
              cursor.setAttribute("x1", toX(x)); cursor.setAttribute("x2", toX(x)); cursor.setAttribute("visibility", "visible");
              tip.textContent = [options.x(x)].concat(lines.map(line => `${line.name}: ${options.gaps && nearest(line)[1] <= 0 ? "no response" : options.y(nearest(line)[1])}`)).join("\n");
              tip.style.display = "block";
              const left = toX(x) / width * box.width;
              tip.style.left = (left > box.width / 2 ? left - tip.offsetWidth - 12 : left + 12) + "px";
              tip.style.top = event.clientY - figure.getBoundingClientRect().top + "px";
            };
            svg.onmouseleave = () => { tip.style.display = "none"; cursor.setAttribute("visibility", "hidden"); };
          }
          draw();
        }

        const curve = points => points.filter(point => point.percentile < 100)
          .map(point => [1 / (1 - point.percentile / 100), point.value]);
        plot("percentiles", [
          {name: "latency, from when it was due", color: "--a", points: curve(report.percentiles)},
          {name: "from send", color: "--b", dashed: true, points: curve(report.percentiles_from_send)},
        ], {byPercentile: true, toggles: true, logarithmic: false, x: percentile, y: time});

        const seconds = value => Number(value.toPrecision(4)) + " s";
        const overTime = field => report.timeline.filter(point => point[field] !== null)
          .map(point => [point.time, point[field]]);
        const hasLatency = report.latency.count > 0;
        plot("latency", hasLatency ? [
          {name: "p50", color: "--a", points: overTime("p50")},
          {name: "p99", color: "--b", points: overTime("p99")},
          {name: "max", color: "--c", points: overTime("max")},
        ] : [], {toggles: true, logarithmic: true, fromZero: true, gaps: true, x: seconds, y: time});

        const isBulk = report.exchanges.due === 0;
        const bits = field => report.timeline.map(point => [point.time, point[field] * 8]);
        plot("throughput", isBulk ? [
          {name: "upstream", color: "--a", points: bits("upstream_per_second")},
          {name: "downstream", color: "--b", points: bits("downstream_per_second")},
        ] : [{name: "exchanges per second", color: "--a", points: overTime("throughput")}],
          {fromZero: true, x: seconds, y: value => isBulk ? count(value, " ") + "bit/s" : count(value) + "/s"});

        const steps = report.steps.filter(step => step.latency.count > 0);
        plot("steps", [
          {name: "p50", color: "--a", points: steps.map(step => [step.offered, step.latency.p50])},
          {name: "p99", color: "--b", points: steps.map(step => [step.offered, step.latency.p99])},
        ], {toggles: true, logarithmic: true, fromZero: true, x: value => count(value) + "/s", y: time});
        """#
}
