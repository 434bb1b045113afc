// The network behind the page: this one asks the server that the page came from.

export const PRIVACY = "Images go to this machine's own server and nowhere else; nothing is stored.";
export const LIMIT = 16 * 2 ** 20; // bytes of an upload, as the server's

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The demo's server does not answer; start scripts/demo.py again.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

export const about = () => ask("api/about");

export const classify = (model, blob) => ask("api/classify", { method: "POST", body: blob });

export const map = (model, image, number) =>
  ask(`api/map?image=${image}&class=${number}`);

export const occlude = (model, image, number, { top, left, side }) =>
  ask(`api/occlude?image=${image}&class=${number}&top=${top}&left=${left}&side=${side}`);

export const neighbours = (model, image) => ask(`api/neighbours?image=${image}`);
