// Returns, for each element that has text of its own and shows, where that is, how it
// contrasts with what is behind it (WCAG 2.2), and whether it is the lighter of the two.
const numbers = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = ([red, green, blue]) => {
  const [r, g, b] = [red, green, blue]
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const [red, green, blue, alpha = 1] = numbers(getComputedStyle(each).backgroundColor);
    if (alpha === 1) return [red, green, blue];
  }
  return [255, 255, 255];
};
return [...document.body.querySelectorAll("*")]
  .filter((element) => element.checkVisibility())
  .flatMap((element) => [...element.childNodes])
  .filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
  .map((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const { left, right } = range.getBoundingClientRect();
    const ink = luminance(numbers(getComputedStyle(node.parentElement).color));
    const page = luminance(behind(node.parentElement));
    const contrast = (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
    return { text: node.data, left, right, contrast, light: ink > page };
  });
