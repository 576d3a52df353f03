// Starts Swagger UI on the document that the page names.
'use strict';

(() => {
  const main = document.getElementById('main');

  /** Uses the access token of an answer (RFC 6749, section 5.1) for all calls that follow. */
  function signIn(response) {
    const token = response.ok && response.body?.access_token;
    const schemes = ui.specSelectors.specJson().getIn(['components', 'securitySchemes']);
    const hint = document.getElementById('sign-in');
    if (typeof token === 'string' && schemes && hint) {
      schemes
        .filter((scheme) => scheme.get('type') === 'http' && scheme.get('scheme') === 'bearer')
        .forEach((_, name) => ui.preauthorizeApiKey(name, token));
      hint.textContent =
        'Signed in: calls from this page have your token now. Authorize shows it, and signs out.';
    }
    return response;
  }

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
  dark.addEventListener('change', follow);
  follow();

  const ui = SwaggerUIBundle({
    domNode: main,
    url: main.dataset.document,
    responseInterceptor: signIn,
    deepLinking: true,
    displayRequestDuration: true,
    filter: true,
    persistAuthorization: false,
    // would be asked about the document, and is somebody else's
    validatorUrl: null,
  });
})();
