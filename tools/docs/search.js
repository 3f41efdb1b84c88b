// Finds pages that have every word, those with the words in their title first.
const field = document.getElementById("search");
const found = document.getElementById("found");

function excerpt(text, word) {
        const at = Math.max(0, text.toLowerCase().indexOf(word) - 40);
        return (at ? "…" : "") + text.slice(at, at + 120) + "…";
}

function search(words) {
        const score = (page) => words.reduce((sum, word) => sum + 10 * page.t.toLowerCase().includes(word) +
                Math.min(9, page.x.toLowerCase().split(word).length - 1), 0);
        return PAGES.filter((page) => words.every((word) => (page.t + " " + page.x).toLowerCase().includes(word)))
                .sort((a, b) => score(b) - score(a)).slice(0, 12);
}

field.addEventListener("input", () => {
        const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
        found.replaceChildren(...(words.length ? search(words) : []).map((page) => {
                const item = document.createElement("li"), link = document.createElement("a"), text = document.createElement("span");
                link.href = field.dataset.up + page.u;
                link.textContent = page.t;
                text.textContent = excerpt(page.x, words[0]);
                item.append(link, text);
                return item;
        }));
        found.hidden = !found.children.length;
});
field.form.addEventListener("submit", (event) => {
        event.preventDefault();
        found.querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
        if (event.key === "/" && document.activeElement !== field) {
                event.preventDefault();
                field.focus();
        } else if (event.key === "Escape") {
                found.hidden = true;
        }
});
