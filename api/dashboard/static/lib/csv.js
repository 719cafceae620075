// Rows as CSV (RFC 4180), as the API's own tables have it. Pure.

/** A line of names and a line per row; null is an empty cell. */
export const csvOf = (columns, rows) =>
  [columns, ...rows.map((row) => columns.map((column) => row[column]))]
    .map((cells) => `${cells.map(cell).join(",")}\r\n`)
    .join("");

function cell(value) {
  let text = String(value ?? "");
  // A spreadsheet would run it as a formula.
  if (typeof value === "string") text = text.replace(/;(?="*[=+\-@＝＋－＠\t\r\n])/g, ";'");
  if (typeof value === "string" && /^[=+\-@＝＋－＠\t\r\n]/.test(text)) text = `'${text}`;
  // Quoted whatever it is, because separators differ by country.
  return `"${text.replace(/"/g, '""')}"`;
}
