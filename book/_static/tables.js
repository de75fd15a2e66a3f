// Tables that can be sorted by their heads and filtered by menus. Without this script they are whole tables.
(() => {
  const number = (text) => {
    const found = text.replace("−", "-").match(/^[^\d+-]*([+-]?\d*\.?\d+(e[+-]?\d+)?)/i);
    return found ? Number(found[1]) : NaN;
  };

  // Sort by a column: numbers by size, what has none last, else by the alphabet; the table keeps equal rows in order.
  const sort = (table, column, descending) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
    const numeric = rows.some(([text]) => /^[+−-]?\d*\.?\d/.test(text));
    rows.sort(([a], [b]) => {
      if (!numeric) return (descending ? -1 : 1) * a.localeCompare(b, undefined, { numeric: true });
      const [x, y] = [number(a), number(b)];
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
      return descending ? y - x : x - y;
    });
    rows.forEach(([, row]) => body.append(row));
  };

  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim();
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        // numbers are first wanted from large to small, names from A to Z
        const now = head.getAttribute("aria-sort");
        const first = table.tBodies[0].rows[0]?.cells[column].textContent.trim() ?? "";
        const descending = now === "none" ? /^[+−-]?\d*\.?\d/.test(first) : now === "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, column, descending);
      });
    });
  };

  const menu = (bar, name, values, chosen, change) => {
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.append(name, select);
    values.forEach(([value, text]) => select.add(new Option(text, value, false, value === chosen)));
    select.addEventListener("change", () => change());
    bar.append(label);
    return select;
  };

  const barBefore = (table) => {
    const bar = document.createElement("div");
    bar.className = "filters";
    (table.closest(".leaderboard") ?? table).before(bar);
    return bar;
  };

  // The leaderboard: data set hides rows, attack and ε write other numbers into them.
  const makeLeaderboard = (board) => {
    const table = board.querySelector("table");
    const cells = JSON.parse(board.querySelector("script.cells").textContent);
    const rows = [...table.tBodies[0].rows];
    const keys = [...new Set(Object.values(cells).flatMap((of) => Object.keys(of)))];
    const steps = [...new Set(Object.values(cells).flatMap((of) => Object.values(of).flatMap((at) => Object.keys(at))))];
    steps.sort((a, b) => a - b);
    const same = (values) => values.map((value) => [value, value]);
    const bar = barBefore(table);
    const update = () => {
      rows.forEach((row) => {
        const found = cells[row.dataset.key]?.[attack.value]?.[step.value];
        row.hidden = !found || (dataset.value !== "" && row.cells[0].textContent !== dataset.value);
        row.querySelectorAll("[data-measure]").forEach((cell, number) => {
          const [value, interval] = (found?.[number] ?? "–").split(/ (?=\[)/);
          cell.replaceChildren(value);
          if (interval) cell.append(" ", Object.assign(document.createElement("small"), { textContent: interval }));
        });
        row.querySelectorAll("td:last-child a").forEach((link) => {
          if (link.textContent === attack.value) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        });
      });
      const sorted = [...table.tHead.rows[0].cells].findIndex((head) => head.getAttribute("aria-sort") !== "none");
      if (sorted >= 0) {
        sort(table, sorted, table.tHead.rows[0].cells[sorted].getAttribute("aria-sort") === "descending");
      }
    };
    const names = [...new Set(rows.map((row) => row.cells[0].textContent))];
    const dataset = menu(bar, "data set", [["", "all"], ...same(names)], "", update);
    const attack = menu(bar, "attack", same(keys), board.dataset.attack, update);
    const step = menu(bar, "ε", same(steps), board.dataset.epsilon, update);
  };

  // Any other table: a menu for each of the columns that `data-filter` names; "detector" looks into first and second.
  const makeFilters = (table) => {
    const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
    const rows = [...table.tBodies[0].rows];
    const bar = barBefore(table);
    const menus = table.closest("[data-filter]").dataset.filter.split(";").map((each) => {
      const [name, columns, chosen = ""] = each.split("=");
      const places = columns.split(",").map((column) => heads.indexOf(column));
      const values = [...new Set(places.flatMap((place) => rows.map((row) => row.cells[place].textContent.trim())))];
      const options = [["", "all"], ...values.map((value) => [value, value])];
      return [places, menu(bar, name, options, chosen, () => update())];
    });
    const update = () => rows.forEach((row) => {
      const used = new Set(); // two menus of one kind ask for two detectors
      row.hidden = !menus.every(([places, select]) => {
        if (select.value === "") return true;
        const place = places.find((at) => !used.has(at) && row.cells[at].textContent.trim() === select.value);
        if (place !== undefined) used.add(place);
        return place !== undefined;
      });
    });
    update();
  };

  const begin = () => {
    document.querySelectorAll(".leaderboard").forEach(makeLeaderboard);
    document.querySelectorAll("[data-filter] table").forEach(makeFilters);
    document.querySelectorAll("table.sortable, [data-filter] table").forEach(makeSortable);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
