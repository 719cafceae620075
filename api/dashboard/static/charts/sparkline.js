// A series in the room of a word, beside the series before it.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 96;
const HEIGHT = 26;
const EDGE = 2;

/** An <svg> of both on one scale: of `series` the first `over` buckets are over, what follows is still
 * counted and dotted. It says nothing to screen readers: its change is beside it in words. */
export function sparkline(series, before, over) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "sparkline");
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.setAttribute("aria-hidden", "true");
  const most = Math.max(1, ...series, ...before);
  const place = (value, index) => {
    const x = EDGE + ((WIDTH - 2 * EDGE) * index) / Math.max(1, series.length - 1);
    const y = HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * value) / most;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  const points = series.map(place);
  picture.append(
    line("before", before.map(place)),
    line("counting", points.slice(Math.max(0, over - 1))),
    line("over", points.slice(0, over)),
  );
  return picture;
}

function line(name, points) {
  const node = document.createElementNS(SVG, "polyline");
  node.setAttribute("class", name);
  node.setAttribute("points", points.join(" "));
  return node;
}
