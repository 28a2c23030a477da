// Runs before the page is drawn, so that nothing flashes: the theme (the system's, unless this viewer chose one), and that there are scripts.
(() => {
  const choices = ["auto", "light", "dark"];
  const root = document.documentElement;
  root.classList.add("js");
  const read = () => { try { return localStorage.getItem("theme") ?? "auto"; } catch { return "auto"; } };
  const show = choice => { root.dataset.theme = choices.includes(choice) ? choice : "auto"; };
  show(read());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      button.querySelector("span").textContent = root.dataset.theme;
      button.setAttribute("aria-label", `Theme: ${root.dataset.theme}`);
    };
    button.hidden = false;
    label();
    button.addEventListener("click", () => {
      show(choices[(choices.indexOf(root.dataset.theme) + 1) % choices.length]);
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* not remembered: storage is off */ }
      label();
    });
  });
})();
