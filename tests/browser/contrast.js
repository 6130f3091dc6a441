// Returns the visible texts of the page: the left and right edges of each, its contrast
// with the background (WCAG 2.2), and whether the text is lighter than the background.
const numbers = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = ([red, green, blue]) => {
  const [r, g, b] = [red, green, blue]
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ancestors = (element) =>
  element ? [element, ...ancestors(element.parentElement)] : [];
const background = (element) => {
  for (const each of ancestors(element)) {
    const [red, green, blue, alpha = 1] = numbers(getComputedStyle(each).backgroundColor);
    if (alpha === 1) return [red, green, blue];
  }
  return [255, 255, 255];
};
const edges = (node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  let { left, right } = range.getBoundingClientRect();
  for (const each of ancestors(node.parentElement)) {
    if (getComputedStyle(each).overflowX !== "hidden") continue;
    const clip = each.getBoundingClientRect();
    left = Math.max(left, clip.left);
    right = Math.min(right, clip.right);
  }
  return { left, right };
};
return [...document.body.querySelectorAll("*")]
  .filter((element) => element.checkVisibility())
  .flatMap((element) => [...element.childNodes])
  .filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
  .map((node) => {
    const ink = luminance(numbers(getComputedStyle(node.parentElement).color));
    const page = luminance(background(node.parentElement));
    const contrast = (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
    return { text: node.data, ...edges(node), contrast, light: ink > page };
  });
