
"use strict";
for (const table of document.querySelectorAll("table.sorted")) {
  const body = table.tBodies[0];
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const head = button.closest("th");
    const down = head.getAttribute("aria-sort") !== "ascending";
    const key = (row) => {
      const cell = row.cells[head.cellIndex];
      return cell.dataset.value === undefined ? cell.textContent : cell.dataset.value;
    };
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      // Whatever has no value stands last either way.
      if (x === "" || y === "") return (x === "") - (y === "");
      const [m, n] = [Number(x), Number(y)];
      const order = Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n;
      return down ? order : -order;
    };
    body.append(...[...body.rows].sort(compare));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "ascending" : "descending");
  });
  const words = document.getElementById("words");
  words.addEventListener("input", () => {
    const wanted = words.value.toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}
