"use strict";
// samples.html: a table of all samples over data files that are loaded when they are looked at.
// Answers, references, ids and names are strangers' text: they only ever become text nodes (textContent), never markup.
(() => {
  const about = JSON.parse(document.getElementById("about").textContent);
  const say = about.say;
  const PAGE = 50;
  const KEPT = 80; // data files kept in memory
  const DIFF_LIMIT = 1200;
  const $ = (id) => document.getElementById(id);

  // --- data files ---------------------------------------------------------------------------------------------------
  const waiting = new Map();
  const kept = new Map();
  window.vhbSamples = (name, data) => { waiting.get(name)?.(data); };

  function load(name, keep = true) {
    if (kept.has(name)) {
      const found = kept.get(name);
      kept.delete(name);
      kept.set(name, found);
      return found;
    }
    const promise = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      waiting.set(name, resolve);
      const done = () => { waiting.delete(name); script.remove(); };
      script.src = `samples/${name}.js`;
      script.onload = () => { done(); reject(new Error(name)); }; // of no effect once the data is there
      script.onerror = () => { done(); kept.delete(name); reject(new Error(name)); };
      document.head.append(script);
    });
    promise.catch(() => { $("problem").textContent = `${say.missing} samples/${name}.js`; $("problem").hidden = false; });
    if (keep) {
      kept.set(name, promise);
      while (kept.size > KEPT) kept.delete(kept.keys().next().value);
    }
    return promise;
  }

  // --- what is shown ------------------------------------------------------------------------------------------------
  const view = { task: 0, run: 0, metric: 0, sort: "order", down: false, page: 0, rows: [], open: -1, turn: 0 };
  let columns = {};
  let found = null; // positions whose texts match; null: not searched in texts
  const task = () => about.comparisons[view.task];
  const run = () => task().runs[view.run];

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined && text !== null) made.textContent = visible(String(text));
    return made;
  }
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
  // Control and direction characters are named, never obeyed.
  function visible(text) {
    return text.replace(/\r\n/g, "\n").replace(HIDDEN, (character) =>
      `\u27e8U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);
  }
  const number = (value) => value === null || value === undefined ? "\u2014" : Number(value).toFixed(4);
  const count = (value) => Number(value).toLocaleString(about.language === "ru" ? "ru" : "en");
  const oneLine = (text, limit) => {
    const flat = (text ?? "").slice(0, limit * 2).replace(/\s+/g, " ").trim();
    return flat.length > limit ? `${flat.slice(0, limit - 1)}\u2026` : flat;
  };
  function option(value, text) {
    const made = element("option", "", text);
    made.value = String(value);
    return made;
  }
  function fill(select, options, chosen) {
    select.replaceChildren(...options.map(([value, text]) => option(value, text)));
    select.value = String(chosen);
    select.closest("label").hidden = options.length < 2;
  }
  const nameOf = (names, code) => code >= 0 ? names[code] : code === -2 ? say.otherNames : "";

  async function chooseTask(place) {
    Object.assign(view, { task: place, run: 0, metric: 0, page: 0, sort: "order", down: false });
    const chosen = task();
    const named = (names, more) => [["", say.all], ...names.map((name, code) => [code, name]),
      ["-1", say.noName], ...(more ? [["-2", say.otherNames]] : [])];
    fill($("run"), chosen.runs.map((item, at) => [at, item.label]), 0);
    fill($("metric"), chosen.metrics.map((item, at) => [at, `${item.label} ${item.arrow}`]), 0);
    fill($("class"), chosen.classes.length ? named(chosen.classes, chosen.moreClasses) : [], "");
    fill($("type"), chosen.types.length ? named(chosen.types, chosen.moreTypes) : [], "");
    for (const id of ["text", "low", "high"]) $(id).value = "";
    $("outcome").value = "";
    const start = `t${place}`;
    const [ids, index, classes, types] = await Promise.all(
      ["ids", "index", "classes", "types"].map((name) => load(`${start}-${name}`)));
    columns = { ids, index, classes, types };
    await chooseRun();
  }

  async function chooseRun() {
    const turn = ++view.turn;
    const names = [`r${run().place}-outcomes`];
    if (task().metrics.length) names.push(`r${run().place}-values${view.metric}`);
    if (task().metrics.length && task().runs.length > 1) names.push(`t${view.task}-spread${view.metric}`);
    const [outcomes, values, spread] = await Promise.all(names.map((name) => load(name)));
    if (turn !== view.turn) return;
    Object.assign(columns, { outcomes, values: values ?? null, spread: spread ?? null });
    await search();
  }

  function matches(at, asked) {
    if (asked.outcome !== "" && columns.outcomes[at] !== asked.outcome) return false;
    if (asked.class !== "" && columns.classes[at] !== asked.class) return false;
    if (asked.type !== "" && columns.types[at] !== asked.type) return false;
    const value = columns.values ? columns.values[at] : null;
    if (asked.low !== null && (value === null || value < asked.low)) return false;
    if (asked.high !== null && (value === null || value > asked.high)) return false;
    if (!asked.text) return true;
    return columns.ids[at].toLowerCase().includes(asked.text) || (found !== null && found.has(at));
  }

  function asked() {
    const code = (id) => $(id).value === "" ? "" : Number($(id).value);
    const bound = (id) => $(id).value === "" || !Number.isFinite(Number($(id).value)) ? null : Number($(id).value);
    return { outcome: code("outcome"), class: code("class"), type: code("type"), low: bound("low"), high: bound("high"),
      text: $("text").value.trim().toLowerCase() };
  }

  function order(rows) {
    const key = { order: null, id: null, score: columns.values, spread: columns.spread }[view.sort];
    if (view.sort === "id") rows.sort((a, b) => columns.ids[a].localeCompare(columns.ids[b], undefined, { numeric: true }));
    else if (key) rows.sort((a, b) => {
      const left = key[a], right = key[b];
      if (left === null || right === null) return (left === null) - (right === null) || a - b; // without a value: last
      return (view.down ? right - left : left - right) || a - b;
    });
    if (view.down && !key) rows.reverse();
    return rows;
  }

  async function refresh() {
    const wanted = asked();
    const rows = [];
    for (let at = 0; at < columns.ids.length; at += 1) if (matches(at, wanted)) rows.push(at);
    view.rows = order(rows);
    view.page = Math.min(view.page, Math.max(0, Math.ceil(rows.length / PAGE) - 1));
    $("count").textContent = say.count.replace("%1", count(rows.length)).replace("%2", count(columns.ids.length));
    await show();
  }

  const chunkOf = (at) => Math.floor(at / about.chunk);
  const shared = (at) => load(`t${view.task}-${chunkOf(at)}`);
  const answersOf = (at, of) => load(`r${of.place}-${chunkOf(at)}`);

  async function show() {
    const turn = ++view.turn;
    const rows = view.rows.slice(view.page * PAGE, (view.page + 1) * PAGE);
    const [questions, answers] = await Promise.all([Promise.all(rows.map(shared)),
      Promise.all(rows.map((at) => answersOf(at, run())))]);
    if (turn !== view.turn) return;
    $("rows").replaceChildren(...rows.map((at, place) => line(at, questions[place], answers[place])));
    const pages = Math.max(1, Math.ceil(view.rows.length / PAGE));
    $("page").textContent = say.page.replace("%1", count(view.page + 1)).replace("%2", count(pages));
    $("back").disabled = view.page === 0;
    $("next").disabled = view.page >= pages - 1;
    for (const button of document.querySelectorAll("[data-sort]")) {
      const on = button.dataset.sort === view.sort;
      button.closest("th").setAttribute("aria-sort", on ? (view.down ? "descending" : "ascending") : "none");
    }
    for (const [column, there] of [["score", columns.values], ["spread", columns.spread], ["class", task().classes.length],
      ["type", task().types.length]])
      for (const cell of document.querySelectorAll(`.col-${column}`)) cell.hidden = !there;
    $("busy").hidden = true;
    document.documentElement.dataset.ready = "yes";
  }

  function line(at, question, answer) {
    const inside = at % about.chunk;
    const row = element("tr");
    const head = element("th");
    head.scope = "row";
    const open = element("button", "link", columns.ids[at] || "\u2014");
    open.type = "button";
    open.addEventListener("click", () => look(at));
    head.append(open);
    const outcome = element("td");
    const name = about.outcomes[columns.outcomes[at]];
    if (name) outcome.append(element("span", `tag${name.bad ? " bad" : ""}`, name.label));
    const cells = [head, element("td", "col-class", nameOf(task().classes, columns.classes[at])),
      element("td", "col-type", nameOf(task().types, columns.types[at])), outcome,
      element("td", "n col-score", number(columns.values?.[at])), element("td", "n col-spread", number(columns.spread?.[at])),
      element("td", "start", oneLine(question.references[inside]?.[0], 90)),
      element("td", "start", oneLine(answer.texts[inside] ?? answer.errors[inside], 90))];
    for (const cell of [cells[6], cells[7]]) cell.dir = "auto";
    row.append(...cells);
    return row;
  }

  // --- searching in texts: one data file after the other, none is kept ------------------------------------------------
  let searching = 0;
  async function search() {
    const own = ++searching;
    const text = asked().text;
    found = null;
    $("progress").textContent = "";
    view.page = 0;
    if (!text || !$("deep").checked) return refresh();
    found = new Set();
    const chunks = Math.ceil(columns.ids.length / about.chunk);
    const here = `t${view.task}`, there = `r${run().place}`;
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      const [question, answer] = await Promise.all([load(`${here}-${chunk}`, false), load(`${there}-${chunk}`, false)]);
      if (own !== searching) return undefined;
      for (let inside = 0; inside < question.questions.length; inside += 1) {
        const texts = [question.questions[inside], answer.texts[inside], answer.errors[inside],
          ...(question.references[inside] ?? [])];
        if (texts.some((item) => item && item.toLowerCase().includes(text))) found.add(chunk * about.chunk + inside);
      }
      $("progress").textContent = say.searched.replace("%1", Math.round(100 * (chunk + 1) / chunks));
      if (chunk % 20 === 19) await refresh();
    }
    $("progress").textContent = "";
    return refresh();
  }

  // --- one sample -----------------------------------------------------------------------------------------------------
  async function look(at) {
    view.open = at;
    const all = task().runs;
    const [question, ...answers] = await Promise.all([shared(at), ...all.map((of) => answersOf(at, of))]);
    if (view.open !== at) return;
    const inside = at % about.chunk;
    $("title").replaceChildren(element("span", "soft", `${say.sample} `), element("bdi", "", columns.ids[at]));
    $("tags").replaceChildren(...[nameOf(task().classes, columns.classes[at]), nameOf(task().types, columns.types[at])]
      .filter(Boolean).map((name) => element("span", "tag", name)));
    $("pages").replaceChildren(...pictures(question, inside));
    $("question").textContent = visible(question.questions[inside] ?? "");
    $("question").hidden = !question.questions[inside];
    $("choices").replaceChildren(...(question.choices[inside] ?? []).map((text) => element("li", "", text)));
    $("choices").hidden = !question.choices[inside]?.length;
    const references = question.references[inside] ?? [];
    $("answers").replaceChildren(reference(references, question.referenceCounts[inside] ?? 0),
      ...all.map((of, place) => side(of, answers[place], inside, references)));
    const place = view.rows.indexOf(at);
    $("before").disabled = place <= 0;
    $("after").disabled = place < 0 || place >= view.rows.length - 1;
    if (!$("sample").open) $("sample").showModal();
    $("sample").scrollTop = 0;
    history.replaceState(null, "", `#t${view.task}-i${columns.index[at]}`);
  }

  function pictures(question, inside) {
    const made = question.images[inside].map((name, place) => {
      if (!name) return element("p", "placeholder", say.noPreview);
      const button = element("button", "zoom");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      const image = element("img");
      image.src = `samples/images/${name}`;
      image.alt = say.image.replace("%1", place + 1);
      image.addEventListener("error", () => button.replaceWith(element("p", "placeholder", say.noImage)));
      button.append(image);
      button.addEventListener("click", () => {
        const large = button.classList.toggle("large");
        button.setAttribute("aria-pressed", String(large));
        $("sample").classList.toggle("zoomed", document.querySelector("#pages .large") !== null);
      });
      return button;
    });
    $("sample").classList.remove("zoomed");
    const more = (question.imageCounts[inside] ?? 0) - made.length;
    if (more > 0) made.push(element("p", "soft", say.moreImages.replace("%1", count(more))));
    return made;
  }

  function reference(texts, all) {
    const box = element("div", "side reference");
    box.append(element("h3", "", all > 1 ? `${say.references} (${count(all)})` : say.reference));
    for (const text of texts) box.append(textBox(text, text ? "" : say.empty));
    if (!texts.length) box.append(element("p", "soft", say.none));
    return box;
  }

  function textBox(text, instead) {
    if (!text) return element("p", "soft", instead);
    const box = element("div", "text", text);
    box.dir = "auto";
    box.tabIndex = 0; // long texts scroll
    return box;
  }

  function side(of, answer, inside, references) {
    const box = element("div", "side");
    const head = element("h3");
    const dot = element("span", `dot c${of.colour}`);
    dot.setAttribute("aria-hidden", "true");
    head.append(dot, element("bdi", "", of.label));
    const scores = element("p", "scores");
    task().metrics.forEach((metric, place) => {
      const value = answer.values[place]?.[inside];
      if (value === null || value === undefined) return;
      const score = element("span", "score", `${metric.label} `);
      score.append(element("b", "", number(value)));
      scores.append(score);
      if (answer.unparsable[inside]?.includes(place)) scores.append(element("span", "tag bad", say.unparsable));
    });
    const outcome = about.outcomes[answer.outcomes[inside]];
    if (outcome && !outcome.plain) scores.append(element("span", `tag${outcome.bad ? " bad" : ""}`, outcome.label));
    if (!outcome) scores.append(element("span", "tag bad", say.noRow));
    if (answer.latencies[inside] !== null) scores.append(element("span", "score", `${count(answer.latencies[inside])} ${say.ms}`));
    box.append(head, scores);
    if (answer.errors[inside]) box.append(element("p", "error", answer.errors[inside]));
    const text = answer.texts[inside];
    if (text) box.append(compared(references, text));
    else if (outcome && !outcome.bad) box.append(element("p", "soft", say.empty));
    const length = answer.lengths[inside] ?? 0;
    if (text && length > [...text].length) box.append(element("p", "soft", say.cut.replace("%1", count([...text].length)).replace("%2", count(length))));
    return box;
  }

  // --- differences of characters --------------------------------------------------------------------------------------
  function compared(references, text) {
    const answer = [...text].slice(0, DIFF_LIMIT);
    let best = null;
    for (const item of references) {
      if (!item) continue;
      const table = distances([...item].slice(0, DIFF_LIMIT), answer);
      if (!best || table.share < best.share) best = table;
    }
    if (!best || best.share > 0.7) return textBox(text, "");
    const box = element("div", "text");
    box.dir = "auto";
    box.tabIndex = 0;
    for (const [kind, part] of segments(best)) {
      if (kind === "equal") box.append(visible(part));
      else box.append(element(kind === "missing" ? "del" : "ins", "", part.replace(/\n/g, "\u21b5\n")));
    }
    return box;
  }

  // Levenshtein distances of all prefixes, between what is left when the common start and end are taken off.
  function distances(from, to) {
    let start = 0;
    while (start < from.length && start < to.length && from[start] === to[start]) start += 1;
    let end = 0;
    while (end < from.length - start && end < to.length - start && from[from.length - 1 - end] === to[to.length - 1 - end]) end += 1;
    const a = from.slice(start, from.length - end), b = to.slice(start, to.length - end);
    const width = b.length + 1;
    const cost = new Uint16Array((a.length + 1) * width);
    for (let y = 0; y <= a.length; y += 1) cost[y * width] = y;
    for (let x = 0; x <= b.length; x += 1) cost[x] = x;
    for (let y = 1; y <= a.length; y += 1) {
      for (let x = 1; x <= b.length; x += 1) {
        const at = y * width + x;
        cost[at] = Math.min(cost[at - width - 1] + (a[y - 1] === b[x - 1] ? 0 : 1), cost[at - width] + 1, cost[at - 1] + 1);
      }
    }
    const longest = Math.max(from.length, to.length, 1);
    return { from, to, start, end, a, b, width, cost, share: cost[cost.length - 1] / longest };
  }

  function segments({ to, start, end, a, b, width, cost }) {
    const steps = [];
    let y = a.length, x = b.length;
    while (y > 0 || x > 0) {
      const at = y * width + x;
      if (y > 0 && x > 0 && cost[at] === cost[at - width - 1] + (a[y - 1] === b[x - 1] ? 0 : 1)) {
        if (a[y - 1] === b[x - 1]) steps.push(["equal", a[y - 1]]);
        else steps.push(["extra", b[x - 1]], ["missing", a[y - 1]]);
        y -= 1; x -= 1;
      } else if (y > 0 && cost[at] === cost[at - width] + 1) { steps.push(["missing", a[y - 1]]); y -= 1; }
      else { steps.push(["extra", b[x - 1]]); x -= 1; }
    }
    steps.reverse();
    const whole = [["equal", to.slice(0, start).join("")], ...steps, ["equal", to.slice(to.length - end).join("")]];
    const joined = [];
    let missing = "", extra = "";
    const flush = () => {
      if (missing) joined.push(["missing", missing]);
      if (extra) joined.push(["extra", extra]);
      missing = extra = "";
    };
    for (const [kind, text] of whole) {
      if (!text) continue;
      if (kind === "missing") missing += text;
      else if (kind === "extra") extra += text;
      else {
        flush();
        const last = joined[joined.length - 1];
        if (last && last[0] === "equal") last[1] += text;
        else joined.push(["equal", text]);
      }
    }
    flush();
    return joined;
  }

  // --- controls -------------------------------------------------------------------------------------------------------
  let typing = 0;
  $("task").addEventListener("change", () => chooseTask(Number($("task").value)));
  $("run").addEventListener("change", () => { view.run = Number($("run").value); return chooseRun(); });
  $("metric").addEventListener("change", () => { view.metric = Number($("metric").value); return chooseRun(); });
  for (const id of ["outcome", "class", "type", "low", "high"]) $(id).addEventListener("change", () => { view.page = 0; return refresh(); });
  $("text").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 250); });
  $("deep").addEventListener("change", search);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => setTimeout(() => { fill($("run"), task().runs.map((item, at) => [at, item.label]), view.run); $("metric").value = String(view.metric); $("task").value = String(view.task); return search(); }));
  $("back").addEventListener("click", () => { view.page -= 1; return show(); });
  $("next").addEventListener("click", () => { view.page += 1; return show(); });
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      view.down = view.sort === button.dataset.sort ? !view.down : button.dataset.sort === "spread";
      view.sort = button.dataset.sort;
      view.page = 0;
      return refresh();
    });
  }
  const step = (by) => look(view.rows[view.rows.indexOf(view.open) + by]);
  $("before").addEventListener("click", () => step(-1));
  $("after").addEventListener("click", () => step(1));
  $("close").addEventListener("click", () => $("sample").close());
  $("sample").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" && !$("before").disabled) step(-1);
    if (event.key === "ArrowRight" && !$("after").disabled) step(1);
  });
  $("sample").addEventListener("close", () => { view.open = -1; history.replaceState(null, "", location.pathname + location.search); });

  async function start() {
    fill($("task"), about.comparisons.map((item, at) => [at, item.title]), 0);
    $("outcome").replaceChildren(option("", say.all), ...about.outcomes.map((item, at) => option(at, item.label)));
    const wanted = /^#t(\d+)-i(\d+)$/.exec(location.hash);
    const place = wanted && Number(wanted[1]) < about.comparisons.length ? Number(wanted[1]) : 0;
    $("task").value = String(place);
    await chooseTask(place);
    if (wanted) {
      const at = columns.index.indexOf(Number(wanted[2]));
      if (at >= 0) await look(at);
    }
  }
  window.addEventListener("hashchange", start);
  if (about.comparisons.length) start();
})();
