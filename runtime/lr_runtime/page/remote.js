// The model behind the page as a server's: POST /predict, /explain and /invert, relative to where the page stands.

const here = location.origin + location.pathname; // without the user and the token that an address may have

/** Return the backend of a model that this page's server has. */
function backendOf({ name, sha256 }) {
  const gone = (message) => Object.assign(new Error(message), { isGone: true });

  async function ask(path, body) {
    const headers = { "Content-Type": "application/json", "X-Trial": "page" }, signal = AbortSignal.timeout(15000);
    const options = { method: "POST", headers, body: JSON.stringify(body), signal };
    let response, said;
    try {
      response = await fetch(new URL(`${path}?model=${encodeURIComponent(name)}`, here), options);
      said = await response.json();
    } catch {
      throw gone("The server does not answer.");
    }
    if (response.status === 503 || response.status === 408) throw gone("The server is busy.");
    if (!response.ok) throw new Error(said.error ?? `The server answered with the status ${response.status}.`);
    if (said.model_sha256 && said.model_sha256 !== sha256) {
      throw new Error("the server has another model under this name now. Load this page again.");
    }
    return said;
  }

  return {
    predict: async (rows) => (await ask("predict", rows)).predictions,
    explain: async (row) => (await ask("explain", [row])).explanations,
    invert: async (reading, at) => (await ask("invert", { reading, at })).inverse,
  };
}
