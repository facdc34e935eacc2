window.API_BASE = "http://localhost:3000/api/v1";
