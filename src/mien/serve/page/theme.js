// Before anything is painted: the theme that was chosen here last. Without one the system's holds.
(() => {
  try {
    const theme = localStorage.getItem("mien-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // storage is off
  }
})();
