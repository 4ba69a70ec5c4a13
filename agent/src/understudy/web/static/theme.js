// Before the first paint: the theme that was chosen on this computer, else what its system prefers.
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
